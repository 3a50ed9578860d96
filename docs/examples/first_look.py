"""A first look: what the network answers, and where it looked.

`load` returns the shipped network, `Shapes` the data it was trained on. A capture runs the picture
through the network once, forward and backward; views turn the capture into results, which draw and
save themselves.
"""

import cnnviz

model = cnnviz.load()
sample = cnnviz.Shapes(split="held-out")[19]
capture = cnnviz.capture(model, sample.image, layers="stages")

answer = cnnviz.predictions(capture)
print(answer)
answer.save("answer.png")

where = cnnviz.cam(capture)
print(where)
where.save("where.png")

row, column = where.peak()
print("the map is largest on the object:", bool(sample.mask[row, column]))
