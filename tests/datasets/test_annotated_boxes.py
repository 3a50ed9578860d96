"""Boxes from CSV, COCO and VOC: read alike, found by an image's name, refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnnviz.datasets.annotated_boxes import AnnotatedBox, AnnotatedBoxes, read_boxes
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import PhotoBox
from tests.helpers.each_case import each_case

DOG, CAT = AnnotatedBox(PhotoBox(2, 3, 10, 20), "dog"), AnnotatedBox(PhotoBox(0, 0, 5, 5), "cat")
VOC = """<annotation><filename>a.jpg</filename>
<object><name>dog</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>10</xmax><ymax>20</ymax></bndbox>
</object><object><name>cat</name><bndbox><ymin>1</ymin><xmin>1</xmin><xmax>5</xmax><ymax>5</ymax>
</bndbox></object></annotation>"""


def coco(**more) -> dict:
    boxes = [([2, 3, 8, 17], 7, 0), ([0, 0, 5, 5], 9, 0), ([0, 0, 64, 64], 9, 1)]
    return {
        "images": [{"id": 1, "file_name": "in/a.jpg"}, {"id": 2, "file_name": "in/b.jpg"}],
        "categories": [{"id": 7, "name": "dog"}, {"id": 9, "name": "cat"}],
        "annotations": [
            {"image_id": 1, "bbox": box, "category_id": kind, "iscrowd": crowd}
            for box, kind, crowd in boxes
        ],
        **more,
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.csv",
            "path,label,left,top,right,bottom\nin/a.jpg,dog,2,3,10,20\nin/a.jpg,cat,0,0,5,5\n",
        ),
        ("a.csv", "xmin;ymin;xmax;ymax;class;file\n2;3;10;20;dog;a.jpg\n0;0;5;5;cat;a.jpg\n"),
        ("a.tsv", "image\tx\ty\tw\th\tlabel\nin/a.jpg\t2\t3\t8\t17\tdog\na.jpg\t0\t0\t5\t5\tcat\n"),
        ("a.json", json.dumps(coco())),
        ("a.xml", VOC),
    ],
)
def test_all_forms_say_the_same(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = read_boxes(tmp_path / name)
    paths = {"in/a.jpg", "a.jpg"}
    assert sum((found.of(path) for path in paths if path in found._by_path), ()) in (
        (DOG, CAT),
        (CAT, DOG),
    )
    assert found.of("b.jpg") == ()


def test_a_folder_of_voc_files(tmp_path):
    (tmp_path / "voc" / "more").mkdir(parents=True)
    (tmp_path / "voc" / "a.xml").write_text(VOC)
    (tmp_path / "voc" / "more" / "b.xml").write_text(VOC.replace("a.jpg", "b.jpg"))
    found = read_boxes(str(tmp_path / "voc"))
    assert found.of("photos/b.jpg") == found.of("a.jpg") == (DOG, CAT)


def test_an_image_is_found_by_its_path_or_by_its_file():
    found = AnnotatedBoxes({"x/a.jpg": [DOG], "y/a.jpg": [CAT], "z/b.jpg": [CAT]}, "list")
    assert found.of("x/a.jpg") == (DOG,)
    assert found.of("data\\y\\a.jpg") == (CAT,)
    assert found.of("b.jpg") == found.of("elsewhere/b.jpg") == (CAT,)
    with pytest.raises(UsageError, match=r"several images that 'a\.jpg' may be"):
        found.of("a.jpg")


@each_case(
    ("height", "width", "why"),
    [
        (64, 48, ""),
        (48, 64, r"before it is turned upright by its EXIF orientation"),
        (128, 96, r"64 x 48 px \(height x width\), and a\.\w+ has boxes of one of 128 x 96 px"),
        (0, 0, ""),
        ("", "x", ""),
    ],
)
def test_boxes_of_another_size_of_the_photo_are_refused(tmp_path, height, width, why):
    """Boxes on a photo as it is stored, or before it was scaled, were taken as they are."""
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    sizes = {"height": height, "width": width}
    images = [{"id": 1, "file_name": "a.jpg", **sizes}, {"id": 2, "file_name": "b.jpg"}]
    (tmp_path / "a.xml").write_text(VOC.replace("<object>", size + "<object>", 1))
    (tmp_path / "a.json").write_text(json.dumps(coco(images=images)))
    for name in ("a.xml", "a.json"):
        found = read_boxes(tmp_path / name)
        assert found.of("a.jpg") == (DOG, CAT)
        if why:
            with pytest.raises(ImageError, match=why):
                found.of("a.jpg", (64, 48))
        else:
            assert found.of("a.jpg", (64, 48)) == (DOG, CAT)


@each_case(
    ("name", "text", "what"),
    [
        ("a.csv", "path,label\na.jpg,dog\n", "no columns of paths and boxes"),
        ("a.csv", "path,x1,y1,x2,y2\na.jpg,1,2,one,4\n", "not four numbers"),
        ("a.csv", "path,x1,y1,x2,y2\na.jpg,1,2,1,4\n", "has no size"),
        ("a.csv", "path,x1,y1,x2,y2\na.jpg,1,2,nan,4\n", "has no size"),
        ("a.csv", "path,x1,y1,x2,y2\n", "no box in a.csv"),
        ("a.json", "[1, 2]", "no COCO JSON"),
        ("a.json", json.dumps(coco(images=[])), "a box of image 1, and no such image"),
        ("a.json", json.dumps(coco(annotations=[{"image_id": 1}])), "required field `bbox`"),
        ("a.json", json.dumps(coco(annotations=[{"image_id": 1, "bbox": [1]}])), r"\[0\].bbox"),
        ("a.json", json.dumps(coco(annotations=[[]])), r"at annotations\[0\]: expected `object`"),
        ("a.json", json.dumps(coco(categories=[{"id": 1, "name": None}])), "at categories"),
        ("a.json", json.dumps(coco(images="abc")), "at images: expected `array`"),
        ("a.json", '{"images": [], "annotations": [], "categories": NaN}', "malformed"),
        ("a.json", '{"images": ' + "[" * 100_000, "at images|too deeply"),
        ("a.json", json.dumps(coco()).replace("[2, 3, 8, 17]", "[2, 3, 8, 1e400]"), "out of range"),
        ("a.json", json.dumps(coco()).replace("[2, 3, 8, 17]", "[1e308, 3, 1e308, 1]"), "no size"),
        ("a.csv", "x1,y1,x2,y2,path\n1,2,3,4\n", "names no image: 1,2,3,4"),
        ("a.csv", "path,x1,y1,x2,y2\na.jpg,1,2\n", "not four numbers"),
        ("a.csv", "path,x1,y1,x2,y2\na.jpg,1,2,1e999,4\n", "has no size"),
        ("a.xml", '<?xml version="1.0" encoding="nothing"?>' + VOC, "no VOC XML"),
        ("a.xml", VOC.replace("dog", "d\0g"), "is not UTF-8"),
        ("a.xml", "<annotation>", "no VOC XML"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]>' + VOC, "definitions of its own"),
        ("a.xml", VOC.replace("<xmin>3</xmin>", ""), "not four numbers"),
        ("a.txt", "a.jpg 1 2 3 4", "no list of boxes"),
    ],
)
def test_what_is_refused(tmp_path: Path, name, text, what):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=what):
        read_boxes(tmp_path / name)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        read_boxes(tmp_path / "nothing.json")
    with pytest.raises(UsageError, match="no XML file"):
        read_boxes(tmp_path)
