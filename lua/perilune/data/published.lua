--- How the data sets of named.lua are published: mirrors, SHA-256, sizes. The sums of EMNIST's and CIFAR's archives are
--- those of TensorFlow Datasets (url_checksums/*.txt), QMNIST's those of torchvision (prototype/datasets/_builtin/
--- mnist.py).
---
--- archive = a file whose members are unpacked; files = single .gz files that stay as they are. bytes: what is fetched;
--- unpacked: what the archive unpacks to at most, its other members included.
return {
  emnist = {
    mirrors = { "https://biometrics.nist.gov/cs_links/EMNIST", "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST" },
    bytes = 561753746, unpacked = 700000000,
    archive = { name = "gzip.zip", sum = "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e" },
  },
  qmnist = {
    mirrors = { "https://raw.githubusercontent.com/facebookresearch/qmnist/master",
      "https://github.com/facebookresearch/qmnist/raw/master" },
    bytes = 21000000,
    files = {
      train_images = { name = "qmnist-train-images-idx3-ubyte",
        gz_sha256 = "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d" },
      train_labels = { name = "qmnist-train-labels-idx2-int",
        gz_sha256 = "2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f" },
      test_images = { name = "qmnist-test-images-idx3-ubyte",
        gz_sha256 = "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375" },
      test_labels = { name = "qmnist-test-labels-idx2-int",
        gz_sha256 = "9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06" },
    },
  },
  cifar10 = {
    mirrors = { "https://www.cs.toronto.edu/~kriz" },
    bytes = 170052171, unpacked = 185000000,
    archive = { name = "cifar-10-binary.tar.gz",
      sum = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd" },
  },
  cifar100 = {
    mirrors = { "https://www.cs.toronto.edu/~kriz" },
    bytes = 168513733, unpacked = 185000000,
    archive = { name = "cifar-100-binary.tar.gz",
      sum = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec" },
  },
}
