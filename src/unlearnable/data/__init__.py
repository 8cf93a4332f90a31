"""Images in and out. No torch but inside torchvision's own data sets."""
