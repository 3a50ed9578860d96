"""Options whose value is empty, no number, out of range or far too long."""

EARLY = r"""
architecture --image-size 99999999 | --image-size cannot be 99,999,999
architecture --image-size 0 | --image-size cannot be 0
architecture --image-size -5 | --image-size cannot be -5
architecture --image-size 64,0 | --image-size cannot be 0
architecture --image-size 64,99999999 | --image-size
architecture --image-size 1.5 | --image-size cannot be '1.5'
architecture --image-size nan | --image-size cannot be 'nan'
architecture --image-size ² | --image-size cannot be '²'
architecture --image-size LONG | --image-size cannot be '999
architecture --image-size "" | --image-size is empty
network-diagram --image-size 99999999 | --image-size
network-diagram --figure-size 1x1 | 1 x 1 inches
losses --figure-size 1x1 | 1 x 1 inches
equivariance --figure-size 1x1 | 1 x 1 inches
losses --figure-size 0x3 | 0 x 3 inches
losses --figure-size nanx3 | nan x 3 inches
losses --figure-size infx3 | inf x 3 inches
losses --figure-size 1e9x1e9 | more pixels than can be drawn
losses --figure-size 8 | '8' is no size
losses --figure-size 8x6x4 | is no size
losses --figure-width 85px | '85px' is no length
losses --figure-width LONG | is no length
losses --figure-width 1mm | No picture can be read
losses --figure-width 85mm --figure-size 4x3 | Both a size and a width
losses --font-size 0 | --font-size cannot be 0
losses --font-size 30 --figure-width 6 | 30 points can be read at a width of 6 inches
losses --font-size 30 --figure-size 9x2 | 30 points can be read at 9 x 2 inches
report --figure-width 85mm | cnnviz report has no --figure-width
training-report run.jsonl --no-title | cnnviz training-report has no --no-title
evaluate-classifier --figure-width 85mm | Name its file with --figure
errors --figure a.csv | 'a.csv'
losses --font-size LONG | --font-size cannot be
losses --no-title --out a.json | 'a.json' is none
losses --figure-size "" | --figure-size is empty
losses --figure-size LONGx3 | inf x 3 inches
losses --dpi 0 | --dpi cannot be 0
losses --dpi -1 | --dpi cannot be -1
losses --dpi 1e9 | --dpi cannot be 1,000,000,000
losses --dpi nan | --dpi cannot be nan
losses --dpi inf | --dpi cannot be inf
losses --dpi x | --dpi
losses --font NAME | There is no font
evaluate --out eval.png | 'eval.png' is the name of a file, and what is written is a folder
evaluate-classifier --data shapes --out eval.CSV | 'eval.CSV' is the name of a file
errors --data shapes --out wrong.json | 'wrong.json' is the name of a file
report --out report.html | 'report.html' is the name of a file
lecture --out lecture.html | 'lecture.html' is the name of a file
gallery shapes --out site.html | 'site.html' is the name of a file
shapes --out shapes.npz | 'shapes.npz' is the name of a file
losses --delta 0 | --delta cannot be 0
losses --delta nan | --delta cannot be nan
losses --delta -inf | --delta cannot be -inf
losses --delta 1e300 | --delta cannot be
losses --classes 1 | --classes cannot be 1
losses --classes 999999999 | --classes
losses --classes LONG | --classes
losses --functions "" | --functions is empty
losses --functions NAME | There is no loss
predictions --k 0 | --k cannot be 0
predictions --k 99999999999999999999 | a number of 20 digits
predictions --k 1.5 | --k
predictions --count 0 | --count cannot be 0
predictions -n -3 | --count cannot be -3
predictions --count 1000000000000 | --count cannot be 1,000,000,000,000
predictions --workers 0 | --workers cannot be 0
predictions --workers 99999999 | --workers
predictions --out ~nouser/o.png | There is no folder
predictions --out o.xyz | o.xyz
predictions --out "" | cannot be saved as
predictions --NAME | No such option
predictions --mean "" | --mean is empty
predictions ~nouser/a.jpg | there is no such file
predictions NAME.jpg | File name too long
receptive-field --draws 0 | --draws cannot be 0
receptive-field --draws 99999999999 | --draws
receptive-field --seed -1 | --seed cannot be -1
receptive-field --seed 100000000000000000000000 | a number of 24 digits
receptive-field --layers "" | --layers is empty
attribute --steps 0 | --steps cannot be 0
attribute --steps 1000000000000 | --steps
attribute --seed -1 | --seed cannot be -1
attribute --seed LONG | --seed
attribute --method NAME | --method
attribute --baseline "" | --baseline
cam --layer "" | --layer is empty
cam --layer , | --layer is empty
cam --layers " , ," | --layer is empty
cam --target "" | --target is empty
cam --box 1,2,3 | --box cannot be
cam --box "" | --box is empty
localisation --threshold 0 | --threshold cannot be 0
localisation --threshold 1.01 | --threshold cannot be 1.01
localisation --threshold nan | --threshold cannot be nan
filters --top -1 | --top cannot be -1
filters --inputs 0 | --inputs cannot be 0
filters --inputs 99999999999 | --inputs
feature-maps --top -1 | --top cannot be -1
feature-maps --image -1 | --image cannot be -1
deconvnet --top -1 | --top cannot be -1
top-activations --k 0 | --k cannot be 0
top-activations --k 1000000 | --k cannot be 1,000,000
top-activations --top -1 | --top cannot be -1
top-activations --count 0 | --count cannot be 0
hierarchy --top 0 | --top cannot be 0
hierarchy --k -1 | --k cannot be -1
compare --batch-size 1 | --batch-size cannot be 1
compare --batch-size 99999999 | --batch-size
compare --examples 0 | --examples cannot be 0
occlude --window 0 | --window cannot be 0
occlude --stride 0 | --stride cannot be 0
occlude --stride 99999999 | --stride
occlude --approximate 0 | --approximate cannot be 0
occlude --approximate inf | --approximate cannot be inf
invariance --shift 0 | --shift cannot be 0
invariance --shift nan | --shift cannot be nan
invariance --scale 1e9 | --scale cannot be
invariance --rotation inf | --rotation cannot be inf
invariance --steps 1 | --steps cannot be 1
invariance --steps 10000001 | --steps cannot be
equivariance --shift 0 | --shift cannot be 0
challenges --scene -1 | --scene cannot be -1
challenges --steps 1 | --steps cannot be 1
challenges --only "" | --only is empty
augmentation --draws 0 | --draws cannot be 0
augmentation --draws 10000000 | --draws
augmentation --seed ² | --seed
augmentation --transform "" | --transform is empty
faithfulness --steps 1 | --steps cannot be 1
faithfulness --stages 0 | --stages cannot be 0
faithfulness --random 0 | --random cannot be 0
faithfulness --seed LONG | --seed
explanations --seed -1 | --seed cannot be -1
visualize --units "" | --units is empty
visualize --units features.0:1 --steps 0 | --steps cannot be 0
visualize --units features.0:1 --steps 1000000000000 | --steps
visualize --units features.0:1 --size 4 | --size cannot be 4
visualize --units features.0:1 --size 99999 | --size cannot be 99,999
visualize --units features.0:1 --diverse 0 | --diverse cannot be 0
visualize --units features.0:1 --seed -1 | --seed cannot be -1
gradient-flow --labels "" | --labels is empty
gradient-flow --fail-on "" | --fail-on is empty
gradient-flow --junit tests.xml | --junit writes what --fail-on names, and --fail-on names nothing
gradient-flow --fail-on dead --junit nowhere/tests.xml | There is no folder 'nowhere'
gradient-flow --fail-on dead --out one.json --junit one.json | is, or lies in, what --out names
evaluate-classifier --fail-on "brier>1" --out page --junit page/a.xml | is, or lies in, what --out
gradient-whiteness --points 2 | --points cannot be 2
gradient-whiteness --lines 0 | --lines cannot be 0
loss-landscape --dimensions 3 | --dimensions cannot be 3
loss-landscape --points 100001 | --points cannot be 100,001
loss-landscape --reach 0 | --reach cannot be 0
loss-landscape --reach inf | --reach cannot be inf
pixels --side 1 | --side cannot be 1
pixels --patch -1,0 | --patch cannot be -1
pixels --patch LONG,0 | --patch cannot be
convolve "1e300 1; 1 1" | The matrix has numbers up to 1e+300, whose products may be none
convolve "1 1; 1 1" --kernel "1e160 1" | The kernel has numbers up to 1e+160
convolve-signals --signal 1e160,-1e160 --response 1e150 | The signal has numbers up to 1e+160
convolve-signals --signal 1,2 --response 1e301 | The response has numbers up to 1e+301
convolve --stride 0 | --stride cannot be 0
convolve --dilation 100000000000000000000 | --dilation
convolve --at -1,0 | --at cannot be -1
convolve --kernel NAME | There is no kernel
convolve --kernel "" | --kernel is empty
convolve-signals --at -1 | --at cannot be -1
weight-sharing --kernel 0 | --kernel cannot be 0
weight-sharing --filters 0 | --filters cannot be 0
pooling --size 0 | --size cannot be 0
pooling --channel -1 | --channel cannot be -1
pooling --stride 99999999999999999999 | --stride
normalization --groups 0 | --groups cannot be 0
activation-functions --width 9999999999 | --width
activation-functions --layers 0 | --layers cannot be 0
activation-functions --layers 9999999999 | --layers
softmax --temperatures 0,1 | --temperatures cannot be 0
softmax --temperatures 1,nan | --temperatures cannot be nan
optimizers --steps 0 | --steps cannot be 0
optimizers --steps 1000000000000 | --steps
overfitting --epochs 0 | --epochs cannot be 0
overfitting --epochs 1000000000 | --epochs
overfitting --scenes 0 | --scenes cannot be 0
overfitting --seeds 13 | --seeds cannot be 13
overfitting --dropout 1 | --dropout cannot be 1
overfitting --dropout -0.1 | --dropout cannot be -0.1
overfitting --weight-decay nan | --weight-decay cannot be nan
evaluate --steps 1 | --steps cannot be 1
evaluate --steps 10000000000 | --steps
evaluate --stages 0 | --stages cannot be 0
evaluate --random 0 | --random cannot be 0
evaluate --seed -1 | --seed cannot be -1
evaluate --seed LONG | --seed
evaluate --methods cam | There is no method 'cam'
evaluate --methods , | --methods is empty
evaluate --boxes nowhere.csv | nowhere.csv
evaluate --data nowhere | There is no folder 'nowhere'
errors --order x | cannot be ordered by 'x'
gallery shapes --data nowhere | There is no folder 'nowhere'
gallery shapes --visualize conv:0 --budget 0 | is no time
evaluate --count 0 | --count cannot be 0
evaluate --out ~nouser/o | There is no folder
errors --worst -1 | --worst cannot be -1
errors --worst 100000000000000000000 | --worst
errors --confident 1.5 | --confident cannot be 1.5
errors --confident nan | --confident cannot be nan
errors --out ~nouser/o | There is no folder
evaluate-classifier --top 0 | --top cannot be 0
evaluate-classifier --explain -1 | --explain cannot be -1
evaluate-classifier --seed -1 | --seed cannot be -1
gallery --count 0 | --count cannot be 0
gallery --precision half | is not one of
gallery --visualize "" | --visualize is empty
gallery --out ~nouser/o | There is no folder
report --count 0 | --count cannot be 0
report --sections "" | --sections is empty
report --out ~nouser/o | There is no folder
explore photo.png photo.png photo.png | one photo, or two side by side, and 3 are named
explore photo.png photo.png --compare photo.png | one photo, or two side by side, and 3 are named
explore --layers "" | --layers is empty
explore --out page.png | is the name of no page
explore --out ~nouser/o.html | There is no folder
lecture --chapters "" | --chapters is empty
shapes --count 0 | --count cannot be 0
shapes --count 999999999999 | --count
shapes --start -1 | --start cannot be -1
shapes --seed 100000000000000000000000000000 | a number of 30 digits
shapes --size 31 | --size cannot be 31
shapes --size 99999999 | --size
shapes --rotation LONG | --rotation cannot be
shapes --class ² | '²' is not a class
shapes --out ~nouser/o | There is no folder
"""

CASES = r"""
predictions --model "" | --model is empty
predictions --weights "" | --weights is empty
predictions --device "" | --device is empty
"""
