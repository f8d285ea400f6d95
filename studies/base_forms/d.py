from common import *
from torch import nn
from ediffi.networks import UNet
class DNet(UNet):
    def __init__(s,config):
        super().__init__(config); C=config.levels[-1].channels; E=config.embedding_width
        s.draft=nn.Sequential(nn.Linear(E,1024),nn.SiLU(),nn.Linear(1024,C*64)); nn.init.zeros_(s.draft[2].weight); nn.init.zeros_(s.draft[2].bias)
    def forward(s,x,c_noise,cond):
        ctx=s.conditioner(cond.prompt); ctx.sigma=torch.exp(4*c_noise)
        e=F.silu(s.noise(c_noise)+ctx.pooled); h=s.enter(s._fold(x,cond)); sk=[]
        for i,st in enumerate(s.down):
            if i: h=s.shrink[i-1](h)
            for b in st: h=b(h,e,ctx); sk.append(h)
        h=h+s.position.to(h)+s.draft(e).unflatten(1,(-1,8,8)).to(h); h=s.middle(h,e,ctx)
        for i,st in enumerate(s.up):
            for b in st: h=b(torch.cat([h,sk.pop().to(h)],1),e,ctx)
            if i<len(s.grow): h=F.interpolate(s.grow[i](h),scale_factor=2,mode="nearest")
        return F.pixel_shuffle(s.leave(h),4)
