"""A request as a server gets it, followed step by step."""

import ediffi

try:
    request = ediffi.Request.from_json('{"prompts": ["a red fox"], "seeds": 7, "stop_at": 256}')
    cascade = ediffi.Cascade.from_pretrained("pictogram")
    plan = cascade.plan(request)
except ediffi.UserError as error:
    raise SystemExit(str(error)) from error
for note in plan.notes:
    print(note)
for event in cascade.run(plan):
    if isinstance(event, ediffi.Progress):
        print(event.stage, event.step, event.num_steps, event.preview.shape)
    else:
        ediffi.save(event.images, f"{event.stage}.png")
for event in cascade.stream("an owl", seeds=[3], use=("t5",), looks=False):
    stage: str = event.stage
