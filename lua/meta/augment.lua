---@meta perilune.augment

---Augmentation: random alterations of the images of a training step. The data set itself stays as it is.
---
---Each has `chance` (default 1, of flip 0.5), the probability that it happens, decided anew for each "batch" or each
---"image" (`per`, default "image"); what happens is drawn for each image. It depends on the seed, the epoch, the batch
---and the image's place in it, and on nothing else. An experiment takes one, a list of them, or a Lua function of the
---images. Error: an unknown option, a value out of range, samples that are not images [H, W, C].
---
---```lua
---augment = pl.augment.affine { chance = 0.25, per = "batch", zoom = 0.2, rotate = 25, shift = 0.2, unit = "whole" },
---augment = { pl.augment.elastic { alpha = 34, sigma = 4 }, pl.augment.noise(0.05) },
---```
---@class perilune.augment
local augment = {}

---What every augmentation takes.
---@class perilune.AugmentOptions
---@field chance? number from 0 to 1 (default 1)
---@field per? "batch"|"image" (default "image")

---@class perilune.AffineOptions : perilune.AugmentOptions
---@field zoom? number|number[] r or {low, high}: the image becomes 1 + U(low, high) times as large, with
---  { -0.1, 0.1 } 0.9 to 1.1 times (default 0)
---@field zoom_per_axis? boolean height and width each draw their own (default false)
---@field rotate? number|number[] degrees, counter-clockwise (default 0)
---@field shift? number|number[] down and to the right, each drawn (default 0)
---@field unit? "fraction"|"pixel"|"whole" shift in fractions of the side (below 1), in pixels, or in whole pixels up
---  to a fraction of the side (default "fraction")
---@field shear? number|number[] columns to the right for every row further down (default 0)
---@field sample? "bilinear"|"nearest" (default "bilinear")
---@field fill? "zero"|"edge"|"value" what lies outside the image: 0, the nearest pixel, or `value` (default "zero")
---@field value? number needs fill = "value" (default 0)

---Zoom, rotation, shear and shift about the centre of the image. A range given as r is {-r, r}.
---@param options? perilune.AffineOptions
---@return perilune.Augmentation
function augment.affine(options) end

---@class perilune.ElasticOptions : perilune.AugmentOptions
---@field alpha? number how far, in pixels before smoothing (default 34)
---@field sigma? number how smoothly, in pixels, from 0.5 to 20 (default 4)
---@field fill? "zero"|"edge"|"value" (default "zero")
---@field value? number needs fill = "value" (default 0)

---Every pixel looks up at a place displaced by alpha times smoothed noise: uniform in [-1, 1), through a Gaussian of
---standard deviation sigma. Simard, Steinkraus, Platt, ICDAR 2003.
---@param options? perilune.ElasticOptions
---@return perilune.Augmentation
function augment.elastic(options) end

---Adds normal noise to every value.
---@param std number its standard deviation, in the units of the images: those of pictures are from 0 to 1
---@param options? perilune.AugmentOptions
---@return perilune.Augmentation
function augment.noise(std, options) end

---@class perilune.CutoutOptions : perilune.AugmentOptions
---@field count? integer squares (default 1)
---@field value? number what they are filled with (default 0)

---Blanks squares, each about a pixel chosen anywhere. DeVries, Taylor 2017.
---@param size? integer side of a square in pixels (default 8)
---@param options? perilune.CutoutOptions
---@return perilune.Augmentation
function augment.cutout(size, options) end

---@class perilune.FlipOptions : perilune.AugmentOptions
---@field chance? number from 0 to 1 (default 0.5)

---Mirrors the image: left to right, or, "vertical", top to bottom. For pictures whose mirror image has the same label:
---not for digits.
---
---```lua
---augment = { pl.augment.flip(), pl.augment.affine { shift = 4, unit = "pixel" } }       -- the usual for CIFAR-10
---```
---@param direction? "horizontal"|"vertical" (default "horizontal")
---@param options? perilune.FlipOptions
---@return perilune.Augmentation
function augment.flip(direction, options) end

---Several one after the other, as a list.
---
---```lua
---local both = pl.augment.compose { pl.augment.affine { rotate = 25 }, pl.augment.noise(0.05) }
---```
---@param list table augmentations, or functions of the images
---@return perilune.Compose
function augment.compose(list) end

---An augmentation.
---@class perilune.Augmentation
---@field type string "affine", ...
local Augmentation = {}

---@class perilune.ApplyOptions
---@field seed? integer (default 0)
---@field epoch? integer (default 0)
---@field index? integer number of the batch, from 0: that of a training step is `ctx.batch - 1` (default 0)
---@field position? integer in the list of augmentations, from 1; of a composed list that of its first (default 1);
---  `place` is an older name

---The images altered, as those of that batch would be.
---
---```lua
---pl.augment.affine { rotate = 25 }:apply(x, { seed = 1, index = 3 }):show()
---```
---@param images perilune.Tensor f32 [N, H, W, C], or one image [H, W, C]
---@param options? perilune.ApplyOptions
---@return perilune.Tensor altered a new tensor
function Augmentation:apply(images, options) end

---Its type and options, by name.
---@return table
function Augmentation:config() end

---A list of augmentations: the field `augment` of an experiment takes it as it takes a single one.
---@class perilune.Compose
local Compose = {}

---The images altered by all of them in turn.
---@param images perilune.Tensor f32 [N, H, W, C], or one image [H, W, C]
---@param options? perilune.ApplyOptions
---@return perilune.Tensor altered a new tensor
function Compose:apply(images, options) end
