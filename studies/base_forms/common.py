import json, math, os, sys, time, numpy as np, torch, torch.nn.functional as F
from ediffi.types import Prompt, StageInput, Tokens, ROLES
from ediffi.diffusion import NoiseDistribution, edm_loss, noised, karras_schedule, SAMPLERS, drive, gaussian, Guided, Thresholded, stable_hash, stratified_uniforms
from ediffi.conditioning.cache import pad

class Half:
    def __init__(s, d, part):
        L=lambda k: np.load(f"{d}/{k}.{part}.npy", mmap_mode=None if k in("P","M","B","NI","ST","CI") else "r")
        for k in ("P","M","B","NI","ST","CI"): setattr(s,k,L(k))
        s.tok={r:dict(states=L(r+"_states"),pooled=L(r+"_pooled"),own=L(r+"_own"),starts=np.load(f"{d}/{r}_starts.{part}.npy")) for r in ("t5","clip_text")}
class Data:
    """scenes; scene n lies in half n%2 at n//2"""
    def __init__(s, d, usual=0):
        s.h=[Half(d,0),Half(d,1)]; s.n=len(s.h[0].P)+len(s.h[1].P)
        s.style=np.empty(s.n,np.uint8); s.ni=np.empty(s.n,np.uint8)
        for p in (0,1): s.style[p::2]=s.h[p].ST; s.ni[p::2]=s.h[p].NI
        s.single={k:np.flatnonzero((s.style==k)&(s.ni==1)) for k in range(16)}
    def picture(s,n): return s.h[n%2].P[n//2]
    def text(s,n,c,r):
        t=s.h[n%2].tok[r]; i=(n//2)*3+c; a,b=t["starts"][i],t["starts"][i+1]
        return torch.from_numpy(np.array(t["states"][a:b])), torch.from_numpy(np.array(t["pooled"][i])), t["own"][a:b]
    def batch(s, ids, noise, seed=0, drop=True, size=None):
        """ids: global image indices"""
        seeds=[stable_hash(seed,i) for i in ids]; nums=[i%s.n for i in ids]
        u=lambda name: torch.tensor([stable_hash(name,x)%2**24/2**24 for x in seeds])
        cap=[(i//s.n+stable_hash("c",n))%3 for i,n in zip(ids,nums)]
        clean=torch.from_numpy(np.stack([s.picture(n) for n in nums])).float()/127.5-1
        keep={"t5":u("t5")>=0.15,"clip_text":u("clip_text")>=0.3,"clip_image":u("clip_image")<0.1} if drop else {r:torch.full((len(ids),),r!="clip_image") for r in ROLES}
        al=u("all")<0.05
        if drop: keep={r:k&~al for r,k in keep.items()}
        tok={}
        for r in ("t5","clip_text"):
            tok[r]=pad([s.text(n,c,r)[:2] for n,c in zip(nums,cap)])
        refs=[]
        for n,x in zip(nums,seeds):
            pool=s.single[int(s.style[n])]; refs.append(int(pool[x%len(pool)]) if len(pool) else n)
        ci=torch.from_numpy(np.stack([s.h[n%2].CI[n//2] for n in refs])).float()
        tok["clip_image"]=Tokens(ci[:,None],torch.ones(len(ids),1,dtype=torch.bool),ci)
        uni=stratified_uniforms(torch.tensor(ids),seed)
        sigma=noise.sample(uni).float()
        eps=gaussian(seeds,(3,64,64),"noise")
        return clean, eps, sigma, uni, StageInput(Prompt(tok,keep)), nums, cap
BANDS=[0,.1,.25,.5,1,2,4,10,1e9]
def bands(sig): return torch.bucketize(sig, torch.tensor(BANDS[1:-1]))
