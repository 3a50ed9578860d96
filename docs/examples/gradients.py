"""Does the gradient arrive? A sigmoid chain, its remedies, and depth with and without skips."""

import cnnviz

chain = cnnviz.load("mlp-10:sigmoid", "random")
found = cnnviz.gradient_flow(chain)
print(found)
found.save("gradient-vanished.png")

plain, skips = (cnnviz.load(f"{name}-32:width=8", "random") for name in ("plain", "resnet"))
beside = cnnviz.gradient_flow(plain, compare=[skips, chain])
print(beside.summary())
beside.save("gradient-compared.png")
