"""What the layers respond to: kernels first, then feature maps.

The first layer's kernels are little pictures. Deeper layers are better seen through what they
respond to: the maps are sorted by their peak, each has a scale of its own, and the caption says
how many of how many are shown.
"""

import cnnviz

model = cnnviz.load("shapes-plain")

kernels = cnnviz.filters(model)
print(kernels)
kernels.save("kernels.png")

photo = cnnviz.Shapes(split="held-out")[14].image
capture = cnnviz.capture(model, photo, layers="conv", gradients=False)
for number, layer in enumerate(list(capture.activations)[:2]):
    maps = cnnviz.feature_maps(capture, layer, top=24)
    print(maps.caption())
    maps.save(f"maps-{number}.png")
