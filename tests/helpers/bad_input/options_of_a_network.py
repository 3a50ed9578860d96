"""Options that name layers, channels and classes which the network does not have."""

# Told once the network is there, and before it is run.
CASES = r"""
predictions --resize LONG | is no size
predictions --resize 0 | resize cannot be 0
predictions --resize 99999999 | resize cannot be 99,999,999
predictions --crop ² | is no size
predictions --mean LONG | mean cannot be inf
predictions --mean 0.5,0.5 | mean has 2 numbers
predictions --mean 0.5,0.5 --std 0.5,0.5 | and the network takes 3 channels
predictions --std nan | std cannot be nan
predictions --std 0 | is not positive
predictions --output NAME | There is no kind of output
cam --target ² | has no class '²'
cam --target LONG | has no class '999
cam --target 10 | There is no class 10
cam --target -1 | There is no class -1
skip-connections --model shapes-residual --target WRONG | has no class 'WRONG'
equivariance --target "star - WRONG" | has no class 'WRONG'
explanations --target 10 | There is no class 10
report --target WRONG | has no class 'WRONG'
cam --layer NAME | has no layer 'nnn
cam --layer features.0#² | features.0#²
visualize --units features.0:0-99999999999 | There is no channel 99,999,999,999
visualize --units features.0:9999 | has no channel 9999
visualize --units features.0:LONG | is neither a channel nor a range
visualize --units features.0:² | is neither a channel nor a range
visualize --units features.0:5-1 | is empty
visualize --units features.0:1 --budget x | is no time
visualize --units features.0:1 --budget LONGh | is no time
deconvnet --channels 0-99999999999 | There is no channel
deconvnet --channels 1,² | is neither a channel nor a range
gallery shapes --visualize features.0:9999 | has no channel 9999
gallery shapes --visualize features.0:0-99999999999 | There is no channel
gallery shapes --visualize conv:0 --budget x | is no time
gallery shapes --visualize linear:0 --budget -1s | is no time
gradient-flow --labels ² --objective loss | has no class '²'
gradient-flow --labels 3 | this objective does not look at them
equivariance --shift 300 | cannot be shifted by 300
augmentation --transform Resize(20000) | A number in a transform cannot be 20,000
augmentation --transform Resize(1e999) | A number in a transform cannot be inf
augmentation --transform Resize(((((1 | is no transform
pooling --image 3 | There is no image 3
feature-maps --image 3 | There is no image 3
normalization --groups 7 | cannot be parted into 7 groups
"""
