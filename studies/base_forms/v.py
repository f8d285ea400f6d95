from common import *
from torch import nn
from ediffi.networks import UNet
from ediffi.networks.sketch import _Residual, _mlp, LAYERS, MARGIN, DEPTH, _pseudo_huber, zero_init
from ediffi.networks.attention import SelfAttention, split_heads, merge_heads, attend, Reading
from ediffi.networks.layers import over, placed
class Block(nn.Module):
    def __init__(s,c,hw):
        super().__init__(); s.sa=SelfAttention(c,hw); s.h=c//hw; s.n=nn.LayerNorm(c); s.q=nn.Linear(c,c,bias=False); s.kv=nn.Linear(c,2*c,bias=False); s.o=zero_init(nn.Linear(c,c)); s.m=nn.LayerNorm(c); s.mlp=_mlp(c,4*c,c)
    def forward(s,t,mem,mask):
        t=t+s.sa(t); k,v=s.kv(mem).chunk(2,-1)
        t=t+s.o(merge_heads(attend(split_heads(s.q(s.n(t)),s.h),split_heads(k,s.h),split_heads(v,s.h),mask[:,None,None,:])))
        return t+s.mlp(s.m(t))
class VNet(UNet):
    def __init__(s,config):
        super().__init__(config); C=config.levels[-1].channels; W=config.context_width; E=config.embedding_width; hw=config.head_width
        s.leave=nn.Sequential(nn.SiLU(),zero_init(nn.Conv2d(config.levels[0].channels,64,3,padding=1)))
        s.queries=nn.Parameter(.5*torch.randn(1,LAYERS+1,C)); s.pool=nn.Linear(E,C); s.ctx=nn.Linear(W,C)
        s.pos=nn.Parameter(.5*torch.randn(1,64,C)); s.blocks=nn.ModuleList(Block(C,hw) for _ in range(3)); s.norm=nn.LayerNorm(C)
        s.reading=Reading(C,W,hw); told=C+E; s.place=nn.Linear(C,5); width=768
        s.drawing=nn.Sequential(nn.Linear(told,width),*(_Residual(width) for _ in range(DEPTH)),nn.GELU(),zero_init(nn.Linear(width,4*40*40)))
        s.backdrop=_mlp(told,C,3*32*32)
        s.to(memory_format=torch.channels_last)
    def forward(s,x,c_noise,cond):
        ctx=s.conditioner(cond.prompt); ctx.sigma=torch.exp(4*c_noise)
        e=F.silu(s.noise(c_noise)+ctx.pooled); h=s.enter(s._fold(x,cond)); sk=[]
        for i,st in enumerate(s.down):
            if i: h=s.shrink[i-1](h)
            for b in st: h=b(h,e,ctx); sk.append(h)
        h=h+s.position.to(h); h=s.middle(h,e,ctx)
        mem=torch.cat([h.permute(0,2,3,1).flatten(1,2)+s.pos.to(h),s.ctx(ctx.states).to(h)],1)
        mask=torch.cat([torch.ones(len(x),64,dtype=torch.bool),ctx.mask],1)
        q=s.queries+s.pool(e)[:,None]
        for b in s.blocks: q=b(q,mem,mask)
        q=s.norm(q); shares,g=s.reading(q,ctx),s.place(q[:,:LAYERS]).float()
        told=torch.cat([q,(shares@ctx.words).to(q.dtype)],-1)
        bd=s.backdrop(told[:,LAYERS]).unflatten(1,(3,32,32)).float()
        dr=s.drawing(told[:,:LAYERS]).float().unflatten(2,(4,40,40)); al=dr[:,:,3:].sigmoid(); dr=torch.cat([dr[:,:,:3]*al,al],2)
        sides=(.5+g[...,2:4]).clamp_min(.02); boxes=torch.cat([.5+g[...,:2]-sides/2,sides],-1); there=g[...,4]
        s.out=(boxes,there,shares[:,:LAYERS],dr,ctx)
        lay=placed(dr,boxes,64,margin=MARGIN)*there.sigmoid()[:,:,None,None,None]
        pic=over(F.interpolate(bd,(64,64)),lay)
        for i,st in enumerate(s.up):
            for b in st: h=b(torch.cat([h,sk.pop().to(h)],1),e,ctx)
            if i<len(s.grow): h=F.interpolate(s.grow[i](h),scale_factor=2,mode="nearest")
        y=F.pixel_shuffle(s.leave(h),4).float()
        return y[:,:3],pic,(y[:,3:]-1).sigmoid()
class VDen(nn.Module):
    def __init__(s,net,sd): super().__init__(); s.network=net; s.sd=sd
    def forward(s,x,sigma,cond):
        x,sigma=x.float(),sigma.float(); t=(sigma**2+s.sd**2).view(-1,1,1,1)
        r,pic,m=s.network(x/t.sqrt(),sigma.log()/4,cond)
        d=s.sd**2/t*x+sigma.view(-1,1,1,1)*s.sd/t.sqrt()*r
        s.pic=pic
        return d+m*(pic-d)
def things(data,nums,cap,L,off):
    """boxes, there, tokens (B,4,L) marks, drawings; items in the order in which the caption names them"""
    B=len(nums); bx=torch.full((B,4,4),.5); th=torch.zeros(B,4,dtype=torch.bool); tk=torch.zeros(B,4,L); dr=torch.zeros(B,4,4,40,40)
    for r,(n,c) in enumerate(zip(nums,cap)):
        h=data.h[n%2]; j=n//2
        if not hasattr(h,"D"):
            part=n%2; h.D=np.load(f"{data.dir}/D.{part}.npy",mmap_mode="r"); h.ds=np.concatenate([[0],np.cumsum(np.minimum(h.NI,4).astype(np.int64))])
        own={role:h.tok[role]["own"][h.tok[role]["starts"][j*3+c]:h.tok[role]["starts"][j*3+c+1]] for role in off}
        k=min(int(h.NI[j]),4); first=[(int(np.flatnonzero(own["t5"]>>i&1)[0]) if (own["t5"]>>i&1).any() else 999,i) for i in range(k)]
        for slot,(_,i) in enumerate(sorted(first)):
            bx[r,slot]=torch.from_numpy(h.B[j,i]); th[r,slot]=True; dr[r,slot]=torch.from_numpy(np.array(h.D[h.ds[j]+i])).float()/255
            for role,o in off.items():
                m=torch.from_numpy((own[role]>>i&1).astype(np.float32)); tk[r,slot,o:o+len(m)]=m
    dr[:,:,:3]=2*dr[:,:,:3]-dr[:,:,3:]
    return bx,th,tk,dr
def vloss(net,data,nums,cap,keep):
    boxes,there,shares,dr,ctx=net.out
    bx,th,tk,td=things(data,nums,cap,shares.shape[-1],{r:ctx.offsets[r] for r in ("t5","clip_text")})
    for r,rl in (("t5",ctx.offsets["t5"]),("clip_text",ctx.offsets["clip_text"])): 
        e=ctx.offsets["clip_text"] if r=="t5" else ctx.offsets["clip_image"]; tk[:,:,rl:e]*=keep[r][:,None,None]
    t=th.float(); n=t.sum(1).clamp_min(1); cen=lambda b: torch.cat([b[...,:2]+b[...,2:]/2,b[...,2:]],-1)
    err=(cen(boxes)-cen(bx)).abs().sum(-1); ast=-((shares*tk).sum(-1)+1e-3).log()*tk.any(-1)
    pres=F.binary_cross_entropy_with_logits(there,t,reduction="none").mean(1)
    draw=((_pseudo_huber(dr-td).mean((2,3,4)))*t).sum(1)/n
    return .1*(((err+ast)*t).sum(1)/n+pres).mean()+draw.mean(), float((err*t).sum()/t.sum())
