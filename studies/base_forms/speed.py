import sys; sys.path.insert(0,"studies/base_forms")
import time, torch
from ediffi.networks import UNet, UNetConfig, Level
from ediffi.diffusion import EDM
from ediffi.types import *
from ediffi.train.meter import machine_rate
from torch.utils.flop_counter import FlopCounterMode
R={"t5":384,"clip_text":256,"clip_image":256}
def cfg(c0,n0,c1,n1,d1,mid,W=384,E=384,hw=64):
    return UNetConfig(levels=(Level(channels=c0,num_blocks=n0,depth=0),Level(channels=c1,num_blocks=n1,depth=d1)),roles=R,patch=4,middle_depth=mid,context_width=W,embedding_width=E,head_width=hw,grid=8)
def inp(B,L=20):
    tok={"t5":Tokens(torch.randn(B,L,384),torch.ones(B,L,dtype=torch.bool),torch.randn(B,384)),"clip_text":Tokens(torch.randn(B,L,256),torch.ones(B,L,dtype=torch.bool),torch.randn(B,256)),"clip_image":Tokens(torch.randn(B,1,256),torch.ones(B,1,dtype=torch.bool),torch.randn(B,256))}
    return StageInput(Prompt(tok,{r:torch.ones(B,dtype=torch.bool) for r in R}))
def t(name,c,B=16,n=6):
    net=UNet(c); d=EDM(net,0.55); ps=list(net.parameters())
    opt=torch.optim.AdamW(ps,lr=1e-4,fused=True)
    x=torch.randn(B,3,64,64); s=torch.rand(B)+.5
    with torch.no_grad(), FlopCounterMode(display=False) as f: d(x[:1],s[:1],inp(1))
    fl=f.get_total_flops()
    ts=[];to=[]
    for i in range(n):
        co=inp(B); a=time.perf_counter()
        with torch.autocast("cpu",torch.bfloat16): y=d(x,s,co)
        y.square().mean().backward(); b=time.perf_counter()
        opt.step(); opt.zero_grad(); e=time.perf_counter()
        ts.append(e-a); to.append(e-b)
    m=min(ts); mr=machine_rate(.2)
    print(f"{name:28s} {sum(p.numel() for p in ps)/1e6:6.1f}M {fl/1e9:.2f}GF step {m*1e3:.0f}ms opt {min(to)*1e3:.0f} {B/m:.1f} img/s  {3*fl*B/m/1e9:.0f} GF/s of {mr/1e9:.0f}",flush=True)
if __name__=="__main__":
    torch.set_num_threads(2)
    t("256x2,512x1d2,mid2",cfg(256,2,512,1,2,2))
    t("192x2,512x1d2,mid2",cfg(192,2,512,1,2,2))
    t("256x1,512x1d2,mid2",cfg(256,1,512,1,2,2))
    t("256x1,512x2d1,mid1",cfg(256,1,512,2,1,1))
    t("256x2,384x1d2,mid2",cfg(256,2,384,1,2,2))
    t("128x2,512x1d2,mid2",cfg(128,2,512,1,2,2))
    t("256x2,512x1d1,mid4",cfg(256,2,512,1,1,4))
