import pytest, torch, copy, time, sys
NAMES=["CoOp","KgCoOp","E2MIM","ProGrad","TCP","CoCoOp","MaPLe","PromptSRC","IVLP","VPT","ZSLP","CLAP","TaskRes","CLIPAdapter","TipAdapterF"]
@pytest.mark.parametrize("name", NAMES)
def test_comp(tiny_trainer, name):
    import torch._dynamo
    torch._dynamo.reset()
    t=tiny_trainer(name); t.before_train(); t.close_writer(); t.set_model_mode("train")
    t.epoch=0; t.batch_idx=0; t.num_batches=2
    batch=next(iter(t.train_loader_x)); im,la=t.parse_batch_train(batch)
    if t.has_frozen_images and im.dim()==4: im=t.image_features(im)
    g=torch.get_rng_state()
    eager=t.loss(im,la); ge=torch.autograd.grad(eager.get("loss", sum(v for k,v in eager.items() if k!="acc")), [p for p in t.learner.parameters() if p.requires_grad], allow_unused=True)
    torch.set_rng_state(g)
    f=torch.compile(t.loss, fullgraph=True)
    t0=time.time()
    c=f(im,la); gc=torch.autograd.grad(c.get("loss", sum(v for k,v in c.items() if k!="acc")), [p for p in t.learner.parameters() if p.requires_grad], allow_unused=True)
    print("\nSEC",name,time.time()-t0, max(float((a-b).abs().max()/(a.abs().max()+1e-12)) for a,b in zip(ge,gc) if a is not None), {k:(float(eager[k]),float(c[k])) for k in eager}, file=sys.__stderr__)
