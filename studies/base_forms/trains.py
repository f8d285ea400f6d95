import sys; sys.path.insert(0,"studies/base_forms")
import argparse, copy
from common import *
from speed import cfg
from torch import nn
from ediffi.networks import UNet
from ediffi.diffusion import EDM
from PIL import Image
torch.set_num_threads(1)
p=argparse.ArgumentParser(); a=p.add_argument
a("name"); a("--m1",type=float,default=10); a("--m2",type=float,default=10); a("--lr",type=float,default=1e-3); a("--batch",type=int,default=16)
o=p.parse_args(); CH=18; torch.manual_seed(0)
tr,te=Data("forms/train"),Data("forms/test"); tr.dir="forms/train"; te.dir="forms/test"
for d in (tr,te):
    for k,h in enumerate(d.h):
        h.D=np.load(f"{d.dir}/D.{k}.npy",mmap_mode="r"); h.ds=np.concatenate([[0],np.cumsum(np.minimum(h.NI,4).astype(np.int64))])
X=torch.from_numpy(np.array(tr.h[0].D[:4000])).float().flatten(1)/255; mu=X.mean(0); U,S_,V_=torch.pca_lowrank(X-mu,12); V12=V_[:,:12]; sc=((X-mu)@V12).std(0)
def plan(d,nums):
    out=torch.zeros(len(nums),CH,16,16); g=(torch.arange(16)+.5)/16
    for r,n in enumerate(nums):
        h=d.h[n%2]; j=n//2; out[r,:3]=F.avg_pool2d(torch.from_numpy(h.P[j].copy()).float()[None]/127.5-1,4)[0]
        k=min(int(h.NI[j]),4); m=F.avg_pool2d(torch.from_numpy(h.M[j,:k].copy()).float()[None]/255,2)[0]
        out[r,3]=m.amax(0)*1.2-.4; top=m.argmax(0); cov=m.amax(0)>.25
        for i in range(k):
            w=(top==i)&cov; x,y,ww,hh=h.B[j,i]
            uv=torch.stack([((g-x)/ww*2-1).expand(16,16),((g-y)/hh*2-1)[:,None].expand(16,16)])
            lk=((torch.from_numpy(np.array(h.D[h.ds[j]+i])).float().flatten()/255-mu)@V12)/sc*.5
            out[r,4:6]+=uv*w; out[r,6:]+=lk[:,None,None]*w
    return out
class Net(UNet):
    """16x16 grid: `inn` channels in, `outc` out"""
    def __init__(s,c,inn,outc):
        super().__init__(c); C=c.levels[0].channels
        s.enter=nn.Conv2d(inn,C,3,padding=1); s.leave=nn.Sequential(nn.SiLU(),nn.Conv2d(C,outc,3,padding=1)); nn.init.zeros_(s.leave[1].weight); nn.init.zeros_(s.leave[1].bias); s.aug=None; s.inn=inn
        s.to(memory_format=torch.channels_last)
    def _fold(s,x,cond): return x
    def core(s,x,c_noise,cond):
        p=s.config.patch
        ctx=s.conditioner(cond.prompt); ctx.sigma=torch.exp(4*c_noise); e=F.silu(s.noise(c_noise)+ctx.pooled)
        h=s.enter(x.contiguous(memory_format=torch.channels_last)); sk=[]
        for i,st in enumerate(s.down):
            if i: h=s.shrink[i-1](h)
            for b in st: h=b(h,e,ctx); sk.append(h)
        h=h+s.position.to(h); h=s.middle(h,e,ctx) if s.middle is not None else h
        for i,st in enumerate(s.up):
            for b in st: h=b(torch.cat([h,sk.pop().to(h)],1),e,ctx)
            if i<len(s.grow): h=F.interpolate(s.grow[i](h),scale_factor=2,mode="nearest")
        return s.leave(h).float()
n1=Net(cfg(256,1,384,1,2,2),CH,CH); n2=Net(cfg(192,2,256,1,1,0),48+CH,48)
def D1(n,x,sg,co,sd=.5):
    t=(sg**2+sd**2).view(-1,1,1,1); return sd**2/t*x+sg.view(-1,1,1,1)*sd/t.sqrt()*n.core(x/t.sqrt(),sg.log()/4,co)
def D2(n,x,sg,co,pl,sd=.55):
    t=(sg**2+sd**2).view(-1,1,1,1); r=F.pixel_shuffle(n.core(torch.cat([F.pixel_unshuffle(x/t.sqrt(),4),pl],1),sg.log()/4,co),4)
    return sd**2/t*x+sg.view(-1,1,1,1)*sd/t.sqrt()*r
N1,N2=NoiseDistribution(mean=0.,std=1.5),NoiseDistribution(mean=-.6,std=1.2)
def run(net,which,minutes):
    ps=list(net.parameters()); avg=copy.deepcopy(net).requires_grad_(False); opt=torch.optim.AdamW(ps,lr=o.lr,betas=(.9,.99),weight_decay=.01,fused=True)
    print(which,sum(q.numel() for q in ps)/1e6,"M"); c0=time.process_time(); images=step=0; acc=[]; last=0
    while True:
        el=time.process_time()-c0; fr=el/(minutes*60)
        if fr>=1: break
        lr=o.lr*min(1,(step+1)/200,(1-fr)/.3)
        cl,ep,sg,uni,co,nums,cap=tr.batch(range(images,images+o.batch),N1 if which==1 else N2); pl=plan(tr,nums)
        g=torch.Generator().manual_seed(images)
        with torch.autocast("cpu",torch.bfloat16):
            if which==1:
                e=torch.randn(pl.shape,generator=g); l=edm_loss(D1(net,pl+sg.view(-1,1,1,1)*e,sg,co),pl,sg,.5).mean()
            else:
                pl=pl+.3*torch.rand(len(pl),1,1,1,generator=g)*torch.randn(pl.shape,generator=g); l=edm_loss(D2(net,noised(cl,ep,sg),sg,co,pl),cl,sg,.55).mean()
        l.backward(); torch.nn.utils.clip_grad_norm_(ps,1.)
        for gr in opt.param_groups: gr["lr"]=lr
        opt.step(); opt.zero_grad(); images+=o.batch; step+=1; acc.append(l.detach().item())
        with torch.no_grad(): torch._foreach_lerp_(list(avg.parameters()),ps,1-.5**(o.batch/max(o.batch,min(10000,.05*images))))
        if el-last>120: last=el; print(f"{which} {el/60:.1f}min step {step} images {images} loss {np.mean(acc):.4f}",flush=True); acc=[]
    print(which,"END",images); return avg
a1=run(n1,1,o.m1); a2=run(n2,2,o.m2)
out=[]; pls=[]
tot=torch.zeros(8); cnt=torch.zeros(8); t2=torch.zeros(8)
with torch.no_grad(), torch.autocast("cpu",torch.bfloat16):
    for s in range(0,512,32):
        cl,ep,sg,_,co,nums,_=te.batch(range(s,s+32),NoiseDistribution(mean=.3,std=1.7),seed=5,drop=False); pl=plan(te,nums); b=bands(sg)
        g=torch.Generator().manual_seed(s); y=D1(a1,pl+sg.view(-1,1,1,1)*torch.randn(pl.shape,generator=g),sg,co)
        tot.index_add_(0,b,(y-pl).square().mean((1,2,3))/.25); y=D2(a2,noised(cl,ep,sg),sg,co,pl); t2.index_add_(0,b,(y-cl).square().mean((1,2,3))/.3); cnt.index_add_(0,b,torch.ones(32))
    print("plan error",[round(v,3) for v in (tot/cnt).tolist()],"pixels given plan",[round(v,3) for v in (t2/cnt).tolist()])
from safetensors.torch import save_file
for k,n in (("1",a1),("2",a2)): save_file({q:v.contiguous() for q,v in n.state_dict().items()},f"forms/{o.name}{k}.safetensors")
def samples(ids,seedstream=0):
    with torch.no_grad(), torch.autocast("cpu",torch.bfloat16):
        co=te.batch(ids,N1,seed=5,drop=False)[4]
        x=80*gaussian([i+seedstream for i in ids],(CH,16,16),"plan"); *_,pl=drive(SAMPLERS["dpmpp_2m"](x,karras_schedule(24,.03,80.)),lambda x,s,c: D1(a1,x,s,c),co)
        x=80*gaussian([i+seedstream for i in ids],(3,64,64),"base"); *_,im=drive(SAMPLERS["dpmpp_2m"](x,karras_schedule(12,.03,80.)),lambda x,s,c: D2(a2,x,s,c,pl),co); return im,pl
for s in (0,16): i,q=samples(list(range(s,s+16))); out.append(i); pls.append(q)
toim=lambda z: ((z.clamp(-1,1)+1)*127.5).byte().permute(0,2,3,1).numpy()
im=toim(torch.cat(out)); pp=toim(F.interpolate(torch.cat(pls)[:,:3],scale_factor=4)); real=np.stack([te.picture(i).transpose(1,2,0) for i in range(32)]); rows=[]
for r in range(0,32,8): rows+=[np.concatenate(list(z[r:r+8]),1) for z in (pp,im,real)]
Image.fromarray(np.concatenate(rows,0)).resize((1024,128*len(rows)),0).save(f"forms/{o.name}.png")
