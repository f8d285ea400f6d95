import sys; sys.path.insert(0,"studies/base_forms")
import argparse, copy
from common import *
from speed import cfg
from ediffi.networks import UNet
from ediffi.diffusion import EDM
from PIL import Image
torch.set_num_threads(1)
p=argparse.ArgumentParser(); a=p.add_argument
a("name"); a("--net",default="256,1,512,1,2,2"); a("--batch",type=int,default=16); a("--lr",type=float,default=1e-3); a("--minutes",type=float,default=30); a("--opt",default="adamw"); a("--mean",type=float,default=0.0); a("--std",type=float,default=1.5); a("--cool",type=float,default=.3); a("--warm",type=int,default=200); a("--sd",type=float,default=.55); a("--beta2",type=float,default=.99)
o=p.parse_args()
torch.manual_seed(0)
c=cfg(*map(int,o.net.split(","))); net=UNet(c); den=EDM(net,o.sd); ps=dict(net.named_parameters())
avg=copy.deepcopy(net).requires_grad_(False); noise=NoiseDistribution(mean=o.mean,std=o.std)
tr,te=Data("forms/train"),Data("forms/test")
mats=[q for n,q in ps.items() if o.opt=="muon" and q.ndim==2 and min(q.shape)>=128 and ("middle" in n or "down" in n or "up" in n) and "modulate" not in n]
ids={id(q) for q in mats}; rest=[q for q in ps.values() if id(q) not in ids]
opts=[torch.optim.AdamW(rest,lr=o.lr,betas=(.9,o.beta2),weight_decay=.01,fused=True)]
if mats: opts.append(torch.optim.Muon(mats,lr=o.lr,momentum=.95,weight_decay=.01,ns_steps=5,adjust_lr_fn="match_rms_adamw"))
print(o.name, sum(q.numel() for q in ps.values())/1e6,"M muon",sum(q.numel() for q in mats)/1e6, flush=True)
def evaluate(net):
    d=EDM(net,o.sd); tot=torch.zeros(8); cnt=torch.zeros(8)
    uni=NoiseDistribution(mean=.3,std=1.7)
    for s in range(0,512,32):
        cl,ep,sg,_,co,_,_=te.batch(range(s,s+32),uni,seed=5,drop=False)
        with torch.no_grad(), torch.autocast("cpu",torch.bfloat16): y=d(noised(cl,ep,sg),sg,co)
        e=(y.float()-cl).square().mean((1,2,3))/.3; b=bands(sg)
        tot.index_add_(0,b,e); cnt.index_add_(0,b,torch.ones(len(b)))
    return [round(v,3) for v in (tot/cnt).tolist()]
def sample(net,path,n=32,steps=24,g=2.0,same=0):
    d=Guided(EDM(net,o.sd),g); out=[]
    with torch.no_grad(), torch.autocast("cpu",torch.bfloat16):
        for s in range(0,n,16):
            co=te.batch(range(s,s+16),noise,seed=5,drop=False)[4]
            x=80*gaussian(list(range(s,s+16)),(3,64,64),"base")
            *_,x0=drive(SAMPLERS["dpmpp_2m"](x,karras_schedule(steps,.03,80.)),d,co); out.append(x0)
    im=((torch.cat(out).clamp(-1,1)+1)*127.5).byte().permute(0,2,3,1).numpy()
    real=np.stack([te.picture(i).transpose(1,2,0) for i in range(n)])
    rows=[]
    for r in range(0,n,8): rows+= [np.concatenate(list(im[r:r+8]),1),np.concatenate(list(real[r:r+8]),1)]
    Image.fromarray(np.concatenate(rows,0)).resize((1024,128*len(rows)),0).save(path)
t0=time.time(); c0=time.process_time(); step=0; images=0; acc=[]
end=o.minutes*60; lastlog=0
while True:
    el=time.process_time()-c0
    frac=el/end
    if frac>=1: break
    lr=o.lr*min(1,(step+1)/o.warm,(1-frac)/o.cool)
    cl,ep,sg,_,co,_,_=tr.batch(range(images,images+o.batch),noise)
    with torch.autocast("cpu",torch.bfloat16): y=den(noised(cl,ep,sg),sg,co)
    l=edm_loss(y,cl,sg,o.sd); L=l.mean(); L.backward()
    torch.nn.utils.clip_grad_norm_(ps.values(),1.0)
    for op in opts:
        for g in op.param_groups: g["lr"]=lr
        op.step()
        op.zero_grad()
    images+=o.batch; step+=1; acc.append(float(L))
    dec=.5**(o.batch/max(o.batch,min(10000,.05*images)))
    with torch.no_grad(): torch._foreach_lerp_(list(dict(avg.named_parameters()).values()),list(ps.values()),1-dec)
    if el-lastlog>120:
        lastlog=el; print(f"{el/60:.1f}min step {step} images {images} lr {lr:.2e} loss {np.mean(acc):.4f} wall {(time.time()-t0)/60:.1f}  {evaluate(avg)}",flush=True); acc=[]
print("END",step,images,f"cpu {time.process_time()/60:.1f}",evaluate(avg),flush=True)
from safetensors.torch import save_file
save_file({k:v.contiguous() for k,v in avg.state_dict().items()},f"forms/{o.name}.safetensors")
sample(avg,f"forms/{o.name}.png"); sample(avg,f"forms/{o.name}-g1.png",g=1.0)
