"""A report from Python: the same as `cnnviz report`.

`report` computes and `save` draws and writes; what comes back lists the files.
"""

import cnnviz

model = cnnviz.load()
images = [cnnviz.Shapes(split="held-out")[index].image for index in (0, 19)]
found = cnnviz.report(model, images, sections="photo,predictions,cam")
print(found)

manifest = found.save("report", force=True)
print(manifest.page.as_posix())
print(len(manifest.files), "files")
