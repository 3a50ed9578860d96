"""What the units see: projections, receptive fields and invariance.

At an early, a middle and a late layer the strongest channels on one photo, each with the patch that
it sees and what it sends back to the pixels. Then how large these patches are in practice, and what
becomes of the answer when the photo is moved, enlarged or turned.
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
