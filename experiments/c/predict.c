/* Loads a trained model and predicts digits from raw images of 28 x 28 bytes, one after the other on standard input.
     cc predict.c $(pkg-config --cflags --libs perilune) -o predict
     tail -c +17 t10k-images-idx3-ubyte | ./predict runs/my-first-s1 */
#include <stdio.h>
#include <stdlib.h>
#include <perilune/perilune.h>

int main(int argc, char **argv) {
  pl_error err;
  if (argc != 2) {
    fprintf(stderr, "usage: %s MODEL < images\n", argv[0]);
    return 2;
  }
  pl_saved *saved = pl_model_load(argv[1], &err);     /* a saved model, or a run's folder */
  if (saved == NULL) {
    fprintf(stderr, "%s: %s\n", argv[0], err.text);
    return 1;
  }
  size_t pixels = (size_t)pl_shape_count(pl_saved_input(saved));
  size_t classes = (size_t)pl_shape_count(pl_saved_output(saved));
  unsigned char *bytes = (unsigned char *)malloc(pixels);                    /* the casts are for C++ */
  float *x = (float *)malloc(pixels * sizeof *x), *p = (float *)malloc(classes * sizeof *p);
  int32_t label;
  int status = bytes && x && p ? 0 : 1;
  while (status == 0 && fread(bytes, 1, pixels, stdin) == pixels) {
    for (size_t i = 0; i < pixels; i++) x[i] = (float)bytes[i] / 255.0f;      /* as the training data were */
    pl_predicted out = { NULL, p, &label };                                  /* outputs, probabilities, labels */
    if (pl_model_predict(saved, x, 1, &out, &err)) {
      fprintf(stderr, "%s: %s\n", argv[0], err.text);
      status = 1;
    } else {
      printf("%d %.4f\n", label, label < 0 ? 0.0 : (double)p[label]);
    }
  }
  free(bytes), free(x), free(p);
  pl_saved_free(saved);
  return status;
}
