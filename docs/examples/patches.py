"""What the units look for: the strongest patches of many images.

At an early, a middle and a late layer, one pass each over 300 images of the shipped data finds the
nine patches that excite each channel most. Beside each patch is what in it excited the channel.
"""

import cnnviz

model = cnnviz.load()

for name, layer in (("early", "features.1"), ("middle", "features.7"), ("late", "features.11")):
    found = cnnviz.top_activations(model, "shapes", layer, count=300, top=6)
    print(found)
    found.save(f"patches-{name}.png")

best = found.strongest(found.shown[0])
print(*(f"{place.value:.1f}  {place.name}" for place in best), sep="\n")
