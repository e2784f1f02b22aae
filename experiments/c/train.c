/* Trains a small network on generated digits, says how well it reads others, and saves it: for predict.c, and for
   `perilune predict`. Layers and optimizer are described in JSON, with the options that `perilune help nn.Linear` and
   its like list.
     cc train.c $(pkg-config --cflags --libs perilune libcjson) -o train && ./train digits.h5 */
#include <stdio.h>
#include <stdlib.h>
#include <cjson/cJSON.h>
#include <perilune/perilune.h>

static pl_error err;

/* Ends the program where something could not be made or done. */
static void *made(void *object) {
  if (object != NULL) return object;
  fprintf(stderr, "train: %s\n", err.text);
  exit(1);
}
static void done(pl_status status) { made(status == PL_OK ? &err : NULL); }

int main(int argc, char **argv) {
  const uint64_t seed = 1;
  cJSON *layers = made(cJSON_Parse("{\"type\":\"Sequential\",\"layers\":[{\"type\":\"Flatten\"},"
    "{\"type\":\"Linear\",\"config\":[784,64]},{\"type\":\"ReLU\"},{\"type\":\"Linear\",\"config\":[64,10]}]}"));
  cJSON *rate = made(cJSON_Parse("{\"lr\":0.003}"));
  pl_dataset *train = made(pl_dataset_digits(2000, seed, 0, &err)), *test = made(pl_dataset_digits(500, seed, 1, &err));
  pl_shape sample = pl_dataset_shape(train);

  pl_layer *root = made(pl_layer_from_json(layers, &err));
  pl_model *model = made(pl_model_new(root, &err));
  done(pl_model_build(model, &sample, &err));
  done(pl_model_initialize(model, seed, &err));

  const pl_slice *slices;
  size_t n = pl_model_slices(model, &slices);
  pl_loss *loss = made(pl_loss_new("CrossEntropy", NULL, &err));
  pl_optimizer *adam = made(pl_optimizer_new("Adam", rate, &err));
  done(pl_optimizer_bind(adam, slices, n, pl_model_size(model), &err));

  pl_trainer *trainer = made(pl_trainer_new(&(pl_trainer_options){ .model = model, .loss = loss, .optimizer = adam,
    .data = train, .batch_size = 50, .seed = seed, .shuffle = true }, &err));
  pl_exec *exec = made(pl_exec_new(model, &err));
  for (uint64_t epoch = 1; epoch <= 5; epoch++) {
    pl_train_result result = { 0 };
    pl_evaluation e;
    pl_optimizer_epoch(adam);
    done(pl_trainer_run(trainer, epoch, 0, pl_trainer_batches(trainer), &result, &err));
    done(pl_evaluate(exec, loss, pl_loss_outputs(loss), test, PL_INFER, &e, NULL, NULL, &err));
    printf("epoch %d  loss %.4f  test error %.2f %%\n", (int)epoch, result.loss / (double)result.samples,
           100 - 100 * (double)e.correct / (double)e.count);
  }
  if (argc > 1) done(pl_model_save(model, loss, argv[1], &err));
  pl_exec_free(exec), pl_trainer_free(trainer), pl_optimizer_free(adam), pl_loss_free(loss);
  pl_model_free(model), pl_layer_free_tree(root), pl_dataset_free(train), pl_dataset_free(test);
  cJSON_Delete(layers), cJSON_Delete(rate);
  return 0;
}
