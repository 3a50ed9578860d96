"""What the units see: projections, receptive fields and invariance.

The strongest channels of an early, a middle and a late layer on one photo: the patch that each
sees, and what it sends back to the pixels; for the late layer, whose patches are most of the photo,
in place on the photo. Then how large these patches are in practice, and how the answer changes when
the photo is shifted, scaled or rotated.
"""

import cnnviz

model = cnnviz.load()
shapes = cnnviz.Shapes(split="held-out")
photo = shapes[19].image

for name, layer in (("early", "features.1"), ("middle", "features.4"), ("late", "features.11")):
    units = cnnviz.deconvnet(model, photo, layer, top=6)
    print(units)
    units.save(f"units-{name}.png")

fields = cnnviz.receptive_field(model, [shapes[i].image for i in range(8)])
print(fields)
fields.save("receptive-fields.png")

curves = cnnviz.invariance(model, [shapes[i].image for i in (0, 4, 14, 19)], steps=11)
print(curves)
curves.save("invariance.png")
