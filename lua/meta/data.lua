---@meta perilune.data

---Data sets: known by name, drawn by a generator, from tensors and from files.
---
---A data set knows its shape, its number of samples and the names of its labels from the start; it is read when the
---first sample is needed. Pixels are values from 0 to 1, images are [H, W, C].
---
---Data sets known by name are looked for in `$PERILUNE_DATA`, in `./data` and in `$XDG_DATA_HOME/perilune`
---(`~/.local/share/perilune`), in a folder of their name: `mnist/train-images-idx3-ubyte`, plain or .gz, also spelt
---`train-images.idx3-ubyte`. `perilune data fetch mnist` downloads one and verifies the SHA-256 of what it fetched,
---`perilune data list` names them. When one is read, the SHA-256 is verified again of the files of MNIST, and of those
---of Fashion-MNIST and Kuzushiji-MNIST that are .gz; of the others it is not known. The number and the shape of the
---samples are compared for all. Where its files are missing, the first use of a data set is an error that says which,
---where they were looked for, and how to get them. An unknown option is an error, a file that is damaged too.
---
---```lua
---local train, test = pl.data.mnist():splits()
---for x, y in train:batches(64, { shuffle = true, seed = 1 }) do print(x:size(1), y) end
---```
---@class perilune.data
local data = {}

---@class perilune.NamedOptions
---@field validation? number|perilune.ValidationOptions set apart from the training set (default: none)

---MNIST: 60,000 and 10,000 images [28, 28, 1] of handwritten digits. LeCun, Cortes, Burges.
---@param options? perilune.NamedOptions
---@return perilune.Dataset
function data.mnist(options) end

---Fashion-MNIST: 60,000 and 10,000 images [28, 28, 1] of articles of clothing. Xiao, Rasul, Vollgraf 2017.
---@param options? perilune.NamedOptions
---@return perilune.Dataset
function data.fashion_mnist(options) end

---Kuzushiji-MNIST: 60,000 and 10,000 images [28, 28, 1] of cursive Japanese characters. Clanuwat et al. 2018.
---@param options? perilune.NamedOptions
---@return perilune.Dataset
function data.kmnist(options) end

---@class perilune.EmnistOptions
---@field division? "balanced"|"byclass"|"bymerge"|"digits"|"letters"|"mnist" (default "balanced")
---@field validation? number|perilune.ValidationOptions set apart from the training set (default: none)

---EMNIST: handwritten letters and digits, images [28, 28, 1], upright. Cohen et al. 2017. `perilune data fetch emnist`
---brings the published archive once (562 MB), with the files of every division.
---
---```lua
---local d = pl.data.emnist "letters"        -- or balanced (47 classes, the default), byclass, bymerge, digits, mnist
---```
---@param options? string|perilune.EmnistOptions
---@return perilune.Dataset
function data.emnist(options) end

---QMNIST: the digits of MNIST with all 60,000 of its test set. Yadav, Bottou 2019.
---@param options? perilune.NamedOptions
---@return perilune.Dataset
function data.qmnist(options) end

---CIFAR-10: 50,000 and 10,000 photographs [32, 32, 3] of ten kinds. Krizhevsky 2009. `perilune data
---fetch cifar10` brings the binary version (170 MB); its files (data_batch_1.bin, ...) lie in a folder `cifar10`, or in
---`cifar10/cifar-10-batches-bin`.
---@param options? perilune.NamedOptions
---@return perilune.Dataset
function data.cifar10(options) end

---CIFAR-100: 50,000 and 10,000 photographs [32, 32, 3] of a hundred kinds (the fine labels), as CIFAR-10.
---@param options? perilune.NamedOptions
---@return perilune.Dataset
function data.cifar100(options) end

---The names of the data sets that are known by name.
---@return string[]
function data.names() end

---@class perilune.DigitsOptions
---@field train? integer images of the training set (default 60000)
---@field test? integer images to test on; 0: none (default 10000)
---@field seed? integer (default 1)

---Images [28, 28, 1] that look like handwritten digits, drawn by a generator: several ways of writing each digit, bent,
---slanted, thick and thin. Needs no files. The same seed draws the same images everywhere; image i does not depend on
---how many there are.
---
---```lua
---local d = pl.data.digits { train = 5000, test = 1000, seed = 3 }
---```
---@param options? perilune.DigitsOptions
---@return perilune.Dataset
function data.digits(options) end

---@class perilune.TensorsOptions
---@field x perilune.Tensor samples of the training set, f32 or u8 [N, ...]; the value of a u8 is byte / 255
---@field y? perilune.Tensor labels, i32 or u8 [N] from 0, or targets, f32 [N, ...] (default: neither)
---@field test_x? perilune.Tensor of a test set (default: none)
---@field test_y? perilune.Tensor its labels or targets (default: neither)
---@field labels? string[] names of the classes (default "0", "1", ...)
---@field name? string (default "tensors")

---A data set of tensors. Samples and targets are not copied: do not alter them afterwards; labels are. Error: unequal
---numbers, or a label that is negative or has no name in `labels`.
---
---```lua
---local d = pl.data.from_tensors { x = pl.randn(100, 2), y = pl.zeros({ 100 }, "i32"), labels = { "left", "right" } }
---```
---@param options perilune.TensorsOptions
---@return perilune.Dataset
function data.from_tensors(options) end

---@class perilune.IdxOptions
---@field train_images string path of an IDX file, plain or gzip: [N, H, W] (which becomes [N, H, W, 1]) or [N, ...]
---@field train_labels string path of an IDX file of whole numbers [N]
---@field test_images? string of a test set (default: none)
---@field test_labels? string its labels (default: none)
---@field labels? string[]|integer names of the classes, or how many there are (default 10)
---@field name? string (default "idx")

---A data set in the file format of MNIST.
---@param options perilune.IdxOptions
---@return perilune.Dataset
function data.idx(options) end

---@class perilune.NpzOptions
---@field path? string an .npz archive (may be given first, without its name) (default: x, y, ... are .npy files)
---@field x string name of the samples [N, ...] in it; bytes are pixels, their value is byte / 255, other numbers stay
---@field y? string name of the labels (whole numbers [N] from 0) or targets (other numbers [N, ...]) (default: neither)
---@field test_x? string of a test set (default: none)
---@field test_y? string its labels or targets (default: neither)
---@field labels? string[]|integer names of the classes, or how many there are (default: the largest label + 1)
---@field validation? number|perilune.ValidationOptions set apart from the training set (default: none)
---@field name? string (default: that of the file)

---Arrays of NumPy, in an archive (`numpy.savez`, also compressed) or in .npy files. Numbers of every size and byte
---order are read, and both orders of elements; images of bytes [N, H, W] become [N, H, W, 1].
---
---```lua
---local d = pl.data.npz { "mnist.npz", x = "x_train", y = "y_train", test_x = "x_test", test_y = "y_test" }
---local e = pl.data.npz { x = "features.npy", y = "prices.npy", validation = 0.1 }
---```
---@param options perilune.NpzOptions
---@return perilune.Dataset
function data.npz(options) end

---@class perilune.CsvOptions
---@field path string a file, plain or gzip (may be given first, without its name)
---@field target? string|integer predicted: a column of texts are labels; of numbers targets, or labels with `labels`
---  (default: none)
---@field labels? string[]|integer names of the classes, or how many there are (default: the texts of the target); a
---  column of numbers holds these names, or the labels 0, 1, ...
---@field columns? string[] only these are features (default: all but the target)
---@field ignore? string[] all but these are features (default: none of them)
---@field categories? string|string[] columns of numbers that are categories (default: none)
---@field missing? "drop"|"mean"|number a missing feature: leaves out its row, becomes the mean of its column (over
---  all rows of the file, those held out for validation among them), a number (default: is an error); a missing
---  target leaves its row out with "drop", and else is an error; of a missing category all features are 0
---@field na? string|string[] texts that mean a missing value (default "", NA, N/A, n/a, NaN, nan, NULL, null, ?)
---@field test? string a file of the same columns (default: none)
---@field validation? number|perilune.ValidationOptions set apart from the rows (default: none)
---@field header? boolean the first line has the names of the columns; else they are 1, 2, ... (default true)
---@field delimiter? string (default ",")
---@field name? string (default: that of the file)

---Rows of a CSV file (RFC 4180) as samples. Columns of numbers are a feature each; columns of texts a feature for each
---of their categories, 1 where the row has it. `set.features.features` lists their names. A missing value is an error
---unless `missing` says what becomes of it. So is a column of numbers with commas, or one whose numbers differ by less
---than f32 can tell at their size (such as times in seconds).
---
---```lua
---local d = pl.data.csv { "iris.csv", target = "species", validation = 0.2 }:standardize { per = "pixel" }
---local e = pl.data.csv { "houses.csv", target = "price", ignore = { "id" }, missing = "mean" }
---```
---@param options perilune.CsvOptions
---@return perilune.Dataset
function data.csv(options) end

---@class perilune.ImagesOptions
---@field path string a folder whose folders are the classes (may be given first, without its name)
---@field size? integer|integer[] { height, width } to which every picture is resized (default: all have one size)
---@field channels? 1|3 gray or colours (default 3)
---@field stream? boolean pictures stay in their files and are read ahead of the step, as in `data.hdf5` (default false)
---@field test? string another such folder (default: path/test where there are only path/train and path/test)
---@field validation? number|perilune.ValidationOptions set apart from the training pictures (default: none)
---@field name? string (default: that of the folder)

---PNG and JPEG pictures, a folder a class: `photos/cat/1.jpg`, `photos/dog/2.png`. Classes and pictures are taken in
---ascending order of their names. Resizing is that of `Dataset:resize` (the shape of a picture is not kept); what is
---transparent is shown on white.
---
---```lua
---local d = pl.data.images { "photos/", size = { 32, 32 }, channels = 3, validation = 0.1 }
---```
---@param options perilune.ImagesOptions
---@return perilune.Dataset
function data.images(options) end

---@class perilune.Hdf5Options
---@field path string (may be given first, without its name)
---@field x? string where the tensor lies in the file, such as "group/images" (default "x")
---@field y? string (default "y")
---@field test_x? string (default "test_x")
---@field test_y? string (default "test_y")
---@field labels? string[]|integer names of the classes, or how many there are (default: the largest label + 1)
---@field name? string (default "hdf5")
---@field foreign? boolean reads files that other programs wrote, whose wholeness nothing proves (default false)
---@field stream? boolean the samples stay in the file and are read ahead of the step (default false)
---@field validation? number|perilune.ValidationOptions set apart from the training set (default: none)

---A data set of tensors in an HDF5 file, such as `pl.save` writes. It is read at once. Unsigned bytes are pixels, whose
---value is byte / 255, and [N, H, W] of them images of one channel; other numbers stay.
---
---With `stream = true` the samples stay in the file: 16 MiB of it are in memory and 16 are read ahead (more only where
---a batch or a chunk is larger), so that sets larger than memory can be trained on; labels and targets are in memory.
---Any program's file will do, contiguous or in chunks, plain or with deflate (gzip), LZF, shuffle, Fletcher-32. An
---epoch is shuffled by blocks, in an order that is not that of the set in memory, but is the same for any number of
---threads and after a resume. Nothing can be resized. Before a run the file is read once, for its SHA-256; a file that
---is changed while it is read ends the run.
---
---```lua
---pl.save("points.h5", { x = pl.randn(100, 2), y = pl.zeros({ 100 }, "i32") })
---local d = pl.data.hdf5 { path = "points.h5" }
---```
---@param options perilune.Hdf5Options
---@return perilune.Dataset
function data.hdf5(options) end

---A data set: a training split and, where there is one, a test split and a validation split. Methods return a new data
---set and leave this one as it is.
---@class perilune.Dataset
---@field name string
---@field train perilune.Split
---@field test? perilune.Split
---@field held? perilune.Split the validation split
---@field shape integer[] of one sample
---@field classes integer 0: no labels
---@field labels? string[] names of the classes; that of label k is labels[k + 1]
---@field features? table of a CSV file: `features` are their names, `columns` how they are made
local Dataset = {}

---The splits.
---@return perilune.Split train
---@return perilune.Split? test
---@return perilune.Split? validation
function Dataset:splits() end

---A part of the training split; the others stay whole. Error: there are fewer.
---
---```lua
---data.mnist():subset { per_class = 100 }
---```
---@param options perilune.SubsetOptions
---@return perilune.Dataset
function Dataset:subset(options) end

---Holds a fraction of the training split out as the validation split: a random choice, the same fraction of each class.
---Error: the fraction is not between 0 and 1, or leaves a side empty; stratified without labels.
---
---```lua
---data.mnist():validation(0.1)
---data.mnist():validation { fraction = 0.1, order = "last" }
---```
---@param how number|perilune.ValidationOptions
---@return perilune.Dataset
---@return string rule in words
function Dataset:validation(how) end

---How each split was derived, in words; see Split:derivation.
---@param unread? boolean (default false)
---@return string
function Dataset:derivation(unread) end

---All splits with the mean of the training split taken off, and divided by its standard deviation. What is to be held
---out for validation has no part in them if it is held out before: `d:validation(0.1):standardize()`. Error, once it is
---read: standardized before.
---@param options? perilune.StandardizeOptions
---@return perilune.Dataset
function Dataset:standardize(options) end

---All splits, their images resized. Error: a side below 1, no images [H, W, C], or a stream.
---@param height integer pixels
---@param width? integer (default: the height)
---@return perilune.Dataset
function Dataset:resize(height, width) end

---A split of a data set: samples and their labels (or targets). `#split` is their number. Methods return a new split
---that shares the samples and leave this one as it is.
---@class perilune.Split
---@field name string
---@field count integer
---@field shape integer[] of one sample
---@field classes integer 0: no labels
---@field labels? string[] names of the classes; that of label k is labels[k + 1]
---@field target? integer[] shape of one target
---@field sha256 string of the uncompressed bytes it was read from, samples then labels (reads them)
---@operator len: integer
local Split = {}

---One sample. Error: out of range, as in the next two.
---
---```lua
---local image, label = train:get(1)
---```
---@param i integer from 1
---@return perilune.Tensor x of the sample's shape
---@return integer|perilune.Tensor|nil y its label, or its target
function Split:get(i) end

---Samples `from` to `to`, all by default.
---@param from? integer (default 1)
---@param to? integer (default: the last)
---@return perilune.Tensor x [n, ...]
---@return perilune.Tensor? y labels, i32 [n], or targets, f32 [n, ...]
function Split:tensors(from, to) end

---The samples at these positions.
---
---```lua
---local x, y = train:gather { 5, 3, 5 }
---```
---@param positions integer[] from 1
---@return perilune.Tensor x [n, ...]
---@return perilune.Tensor? y
function Split:gather(positions) end

---@class perilune.BatchesOptions
---@field shuffle? boolean (default false)
---@field seed? integer the order is a function of seed and epoch (default 0)
---@field epoch? integer (default 0)
---@field drop_last? boolean leaves out a last batch of fewer than n samples (default false)

---The samples in batches.
---
---```lua
---for x, y in train:batches(64, { shuffle = true, seed = epoch }) do end
---```
---@param n integer samples in a batch
---@param options? perilune.BatchesOptions
---@return fun(): perilune.Tensor, perilune.Tensor iterator gives x [n, ...] and y
function Split:batches(n, options) end

---@class perilune.SubsetOptions
---@field first? integer the first so many samples (default: per_class says it)
---@field per_class? integer the first so many of each class (default: first says it)

---The first samples, or the first of each class. Error: there are fewer.
---@param options perilune.SubsetOptions
---@return perilune.Split
function Split:subset(options) end

---@class perilune.ValidationOptions
---@field fraction number of the validation set, between 0 and 1
---@field order? "shuffled"|"last" a random choice, or the last rows of the training set (default "shuffled")
---@field stratified? boolean that fraction of each class (default: true of shuffled samples with labels)
---@field seed? integer of the random choice (default 1; in an experiment: the experiment's seed, the same for every
---  `--seed`)

---Holds a fraction out. Errors as those of Dataset:validation.
---@param how number|perilune.ValidationOptions
---@return perilune.Split kept
---@return perilune.Split held
---@return string rule in words
function Split:validation(how) end

---How the split was derived from what its file or its tensors hold, in words: part of a run's identity. "": it was not.
---@param unread? boolean read no data: a split that this one was standardized by is told by its name in place of its
---  SHA-256 (default false)
---@return string
function Split:derivation(unread) end

---@class perilune.StandardizeOptions
---@field std? boolean divide by the standard deviation (default true)
---@field per? "all"|"channel"|"pixel" what has a mean and a std of its own (default "all": one of each; of
---  samples of one axis, such as rows of a table, "pixel": each feature)
---@field from? perilune.Split whose mean and std are taken (default: this split; for a data set its training split)

---The values minus their mean, divided by their standard deviation (which divides by N, and is 1 where nothing varies).
---@param options? perilune.StandardizeOptions
---@return perilune.Split
function Split:standardize(options) end

---The images resized: bilinear, pixel centres at 1/2, without smoothing first; bytes are rounded to bytes.
---@param height integer pixels
---@param width? integer (default: the height)
---@return perilune.Split
function Split:resize(height, width) end

---Reads the files now, if that has not been done. What is read stays in memory as long as the split does.
---@return userdata samples for the core
function Split:read() end
