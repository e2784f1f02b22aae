--- The data sets known by name. Adding one = one entry here (and one line of description in lua/meta/data.lua).
--- A file's sha256 is of its uncompressed bytes; gz_sha256 of the .gz file as it is published, for data sets whose
--- uncompressed sum has no published source. bytes: of all files as they are fetched. Samples are u8 images
--- [28, 28, 1].
local digits = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }

return {
  {
    name = "mnist", title = "MNIST: handwritten digits", bytes = 11594722,
    train = 60000, test = 10000, shape = { 28, 28, 1 },
    labels = digits,
    mirrors = {
      "https://ossci-datasets.s3.amazonaws.com/mnist",
      "https://storage.googleapis.com/cvdf-datasets/mnist",
      "http://yann.lecun.com/exdb/mnist",
    },
    files = {
      train_images = { name = "train-images-idx3-ubyte",
        sha256 = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db" },
      train_labels = { name = "train-labels-idx1-ubyte",
        sha256 = "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5" },
      test_images = { name = "t10k-images-idx3-ubyte",
        sha256 = "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7" },
      test_labels = { name = "t10k-labels-idx1-ubyte",
        sha256 = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2" },
    },
  },
  {
    name = "fashion_mnist", title = "Fashion-MNIST: articles of clothing", bytes = 30878645,
    train = 60000, test = 10000,
    shape = { 28, 28, 1 },
    labels = { "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
      "Ankle boot" },
    mirrors = {
      "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
      "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    },
    files = {
      train_images = { name = "train-images-idx3-ubyte",
        gz_sha256 = "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84" },
      train_labels = { name = "train-labels-idx1-ubyte",
        gz_sha256 = "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845" },
      test_images = { name = "t10k-images-idx3-ubyte",
        gz_sha256 = "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073" },
      test_labels = { name = "t10k-labels-idx1-ubyte",
        gz_sha256 = "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5" },
    },
  },
  {
    name = "kmnist", title = "Kuzushiji-MNIST: cursive Japanese characters", bytes = 21240888,
    train = 60000, test = 10000,
    shape = { 28, 28, 1 },
    labels = { "o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo" },
    mirrors = { "http://codh.rois.ac.jp/kmnist/dataset/kmnist", "https://codh.rois.ac.jp/kmnist/dataset/kmnist" },
    files = {
      train_images = { name = "train-images-idx3-ubyte",
        gz_sha256 = "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4" },
      train_labels = { name = "train-labels-idx1-ubyte",
        gz_sha256 = "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17" },
      test_images = { name = "t10k-images-idx3-ubyte",
        gz_sha256 = "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5" },
      test_labels = { name = "t10k-labels-idx1-ubyte",
        gz_sha256 = "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c" },
    },
  },
}
