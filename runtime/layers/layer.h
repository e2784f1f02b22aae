/* What a layer's file needs to implement one: the vtable, the pass, the declared parameters.

   Every forward and backward is SPMD: all members of the team call it with the same arguments and share the work
   by outputs. The caller puts a barrier between operations; a layer that needs one inside calls pl_team_barrier.
   Shapes are those of one sample; buffers hold pass->batch samples, contiguous.

   What a member has written last is still in its cache, if all of it is too much. So passes that follow each other go
   through the samples in opposite directions where they can. Ascending: convolutions and normalizations forwards; sums
   over samples (in whose order bits are) and gradients of kernels, the sum of two branches' gradients. Descending:
   moments, pooling and joins forwards; backwards all that makes the gradient of an input. */
#ifndef LAYERS_LAYER_H
#define LAYERS_LAYER_H

#include "kernels/kernels.h"
#include "layers/graph.h"
#include "layers/operation.h"
#include "perilune/threads.h"
#include "perilune/layers.h"

typedef struct pl_param {
  const char *name;           /* static text: "weight" */
  pl_shape shape;             /* axes < 0: known only after the input's shape is */
  pl_init init;
  double fan_in, fan_out;
  bool trained;
  float *value, *grad;        /* [borrowed] from the model's blocks */
  size_t slice;               /* its number among the model's trained parameters */
  bool kept;                  /* the values are those of an earlier model: not drawn when this one's are */
  bool packed;                /* while training: the values are in the order of `pack` */
  _Atomic bool zero_or_normal;   /* during some passes: each value is known to be zero or a normal number */
} pl_param;

/* What an operation is told of a pass. */
typedef struct pl_pass {
  const pl_team *team;
  size_t batch;
  bool training;              /* batch statistics, dropout */
  bool dropout;               /* also where training is false */
  bool accumulate;            /* parameter gradients are added to what is there */
  bool many_zeros;            /* are likely in x: it is the model's input */
  const pl_grad_sink *sink;   /* for `param_grads`: takes each tile; NULL: they go to memory */
  uint64_t seed, stream, step;   /* random numbers: a function of these and of the element: pl_pass_rng */
  pl_shape in, out;           /* of one sample; in: of the first input */
  int inputs;
  const float *const *input;     /* [inputs] x is the first; given as x is */
  float *const *input_grad;      /* [inputs] backward: dx is the first; NULL where not needed */
  const pl_shape *input_shape;   /* [inputs] */
  const pl_operation *op;     /* of an operation of a formula; batch is 1 where its output is fixed */
  void *saved;                /* kept from forward to backward */
  void *scratch;              /* this operation's alone */
} pl_pass;

/* What an operation needs for a batch, filled by `memory`; all zero and false by default. */
typedef struct pl_memory {
  int members;                             /* given: the largest team that will run it */
  size_t saved;                            /* bytes for the whole batch */
  size_t scratch_forward, scratch_backward, scratch_param_grads;
  bool needs_x, needs_y;                   /* backward reads the input, the output */
  size_t least_batch;                      /* the fewest samples of a training pass; 0: 1 */
} pl_memory;

typedef enum pl_op_flags {
  PL_ALIAS = 1,                 /* the output is the input's memory under another shape: no forward, no backward */
  PL_IDENTITY_IN_INFERENCE = 2, /* the same, unless training (or with dropout in inference) */
  PL_PASSES_GRAD = 4,           /* the gradient of each input is that of the output: no backward */
  /* y[i] = f(x[i]), nothing kept: forward and backward may be called on any part, y may be x, dx may be dy */
  PL_ELEMENTWISE = 8,
  PL_HOST = 16,                 /* runs on the main thread, between parallel regions, through `host` of the layer */
  /* in inference a sample's output depends on that sample alone, and nothing is written but y and scratch */
  PL_PER_SAMPLE = 32,
  PL_NO_GRAD = 64,              /* no gradient passes: comparisons, whole numbers */
  PL_RECORDED = 128             /* a function of the script is recorded when the model is built (formula.c) */
} pl_op_flags;

/* The class of an operation. One that can stand alone knows nothing of others, nor of fusion (graph/fusion.c). */
typedef struct pl_layer_class {
  pl_class head;
  int most_children;                   /* containers; 0: none */
  unsigned flags;                      /* pl_op_flags */
  /* Instead of a list of options: fills the (zeroed) configuration, writes it, frees what it holds. All or NULL. */
  pl_status (*read)(pl_layer *self, const struct cJSON *args, pl_error *err);
  struct cJSON *(*describe)(const pl_layer *self);
  void (*release)(pl_layer *self);
  /* options are read: check them, declare parameters; may be NULL */
  pl_status (*setup)(pl_layer *self, pl_error *err);
  /* Output shape of one sample. The message says what is expected and what to do; the caller prepends the layer's
     label. */
  pl_status (*shape)(pl_layer *self, const pl_shape *in, pl_shape *out, pl_error *err);
  /* The same of an operation of several inputs, which has neither options nor parameters and is no layer; else NULL. */
  pl_status (*combine)(const pl_shape *in, int inputs, pl_shape *out, pl_error *err);
  /* Of an operation of a formula, which is no layer either (operation.h): its output; `need` stands for `memory`. */
  pl_status (*infer)(pl_operation *o, pl_error *err);
  void (*need)(const pl_operation *o, size_t batch, pl_memory *m);
  int code;                            /* which of the operations that share their functions */
  /* containers: calls their children */
  pl_status (*trace)(pl_layer *self, pl_graph *graph, int in, int *out, pl_error *err);
  void (*memory)(const pl_layer *self, const pl_shape *in, const pl_shape *out, size_t batch, pl_memory *m);
  void (*forward)(pl_layer *self, const pl_pass *pass, const float *x, float *y);
  /* dx may be NULL: not needed. x and y are given only if `memory` asked for them (else NULL). */
  void (*backward)(pl_layer *self, const pl_pass *pass, const float *x, const float *y, const float *dy, float *dx);
  /* The gradients of the layer's parameters, from the same x and dy, after the backwards of all layers. With a sink
     each tile goes there while it is in the cache. NULL: backward computes them, into memory. */
  void (*param_grads)(pl_layer *self, const pl_pass *pass, const float *x, const float *dy);
  /* The order of a parameter's values that suits training: whether there is one, and then (out not NULL) from it to
     the usual one or back. Only layers with `param_grads`, which works in that order as backward and forward do. NULL:
     none. */
  bool (*pack)(const pl_layer *self, int param, float *out, const float *in, bool back);
  double (*work)(const pl_layer *self, const pl_shape *in, const pl_shape *out);   /* multiply-adds a sample; NULL: 0 */
  double (*operation_work)(const pl_operation *o);                                 /* the same */
  /* for tests, which try every class: JSON, and a sample's shape; NULL: none */
  struct { const char *arguments; pl_shape input; } example;
} pl_layer_class;

extern const pl_layer_class pl_add, pl_multiply, pl_concat;   /* combine.c */
extern const pl_layer_class pl_formula;
/* What a formula recorded in the model's last build, for one of its calls; NULL: nothing yet, or another layer. */
const struct pl_program *pl_formula_program(const pl_layer *layer);
/* What the formulas called in a graph were recorded as is what they describe themselves as from now on. */
void pl_formula_keep_recorded(pl_graph *graph);
/* Records it again: an error if it is another one now. Of other layers: nothing. */
pl_status pl_formula_check_again(pl_layer *self, pl_error *err);

/* What an operation of a graph needs for a batch; m->members is given. */
static inline void pl_op_memory(const pl_graph *g, const pl_op *op, size_t batch, pl_memory *m) {
  const pl_value *in = &g->value[pl_op_input(g, op, 0)], *out = &g->value[op->out];
  if (op->info != NULL && op->cls->need != NULL) op->cls->need(op->info, out->fixed ? 1 : batch, m);
  else if (op->cls->memory != NULL) op->cls->memory(op->layer, &in->shape, &out->shape, batch, m);
}

/* Multiply-adds of an operation for a sample. */
static inline double pl_op_work(const pl_graph *g, const pl_op *op) {
  const pl_shape *in = &g->value[pl_op_input(g, op, 0)].shape, *out = &g->value[op->out].shape;
  if (op->info != NULL) return op->cls->operation_work ? op->cls->operation_work(op->info) : 0;
  return op->cls->work ? op->cls->work(op->layer, in, out) : 0;
}

/* The layer that an elementwise operation without options is: itself, or of a formula's the layer of that name (without
   place in a model). NULL: none. */
pl_layer *pl_op_as_activation(const pl_op *op);

/* Host layers (functions of the script) are called back on the main thread, between parallel regions. */
typedef enum pl_host_kind {
  PL_HOST_SHAPE,      /* in -> *out */
  PL_HOST_FORWARD,    /* x -> y */
  PL_HOST_BACKWARD,   /* x, y, dy -> dx */
  PL_HOST_RECORD      /* a formula's function, for inputs of shape `in`: fills `program` */
} pl_host_kind;

typedef struct pl_host_call {
  pl_host_kind kind;
  pl_shape in, out;           /* one sample; PL_HOST_SHAPE fills `out` */
  size_t batch;
  bool training;
  const float *x, *dy;
  float *y, *dx;
  struct pl_program *program;
} pl_host_call;

typedef pl_status (*pl_host_fn)(void *context, pl_host_call *call, pl_error *err);

struct pl_layer {
  const pl_layer_class *cls;
  const char *type;           /* that of the class, or a formula's own */
  void *config;
  char name[48], origin[96];
  pl_param *param;            /* grows with each declaration */
  int params;
  bool undeclared;            /* memory was short for one of them */
  bool undecided;             /* a graph of the script's, whose layers are known when it has been recorded */
  bool recording;
  pl_layer *parent;           /* of a layer that is used at several places: where it is first met, depth first */
  pl_layer **child;
  int children;
  bool shares;                /* a layer below is used at several places */
  int height;                 /* levels below and including this one, minus 1 */
  int mark;                   /* used and left 0 by walks that must meet each layer once */
  uint32_t id;                /* depth-first position in the model: the stream of its random numbers */
  pl_host_fn host;
  void *host_context;
};

/* Declares a parameter (shape.axes = -1 when it depends on the input), in `setup` only; its index. Memory that is
   short shows in self->undeclared, which pl_layer_new looks at. */
int pl_layer_declare(pl_layer *self, const char *name, pl_shape shape, pl_init init, double fan_in, double fan_out,
                     bool trained);

/* Whether child i stands here in the first place: a layer that is used at several places is numbered, initialized and
   saved once, where its parent has it first. */
bool pl_layer_owns(const pl_layer *parent, int i);
/* Makes each layer's parent the container in which it is met first from `root` on, depth first. */
void pl_layer_adopt(pl_layer *root);
/* Ends trees that may share layers, each layer once: first they are gathered in a list (NULL at first), which takes the
   trees apart. */
void pl_layer_gather(pl_layer *root, pl_layer **list);
void pl_layer_free_list(pl_layer *list);

/* Shape from sizes: PL_SHAPE(5, 5, 1, 8) */
#define PL_SHAPE(...) ((pl_shape){ (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), { __VA_ARGS__ } })

/* A share from its end:  for (pl_chunk p = { to, to }; pl_descend(&p, from, most);)  work on [p.start, p.end). */
typedef struct pl_chunk { size_t start, end; } pl_chunk;
enum { PL_VALUES_AT_ONCE = 16384 };
static inline bool pl_descend(pl_chunk *p, size_t from, size_t most) {
  p->end = p->start;
  p->start = p->end - from > most ? p->end - most : from;
  return p->end > from;
}

/* Floats from a member's part of a workspace to the next member's: whole cache lines, and a gap, since a processor
   that reads a part fetches lines past its end too, which the next member would have to take back each time it
   writes them. */
enum { PL_GAP = 512 };
static inline size_t pl_member_floats(size_t floats) { return (floats + 15) / 16 * 16 + PL_GAP; }

/* The stream of an operation's random numbers in a pass. */
pl_rng pl_pass_rng(const pl_pass *pass);

/* An elementwise layer on n values; y may be x, dx may be dy. */
void pl_elementwise(pl_layer *layer, float *y, const float *x, size_t n);
void pl_elementwise_backward(pl_layer *layer, float *dx, const float *y, const float *dy, size_t n);
/* Finished rows of outputs become what the activation (elementwise; NULL: none) makes of them. */
void pl_activate(pl_layer *activation, float *y, size_t rows, size_t cols, size_t stride);
/* One matrix product shared by the team, and an activation of its result: a grid of row and column blocks, each
   computed by one member. */
void pl_gemm_team(const pl_team *team, const pl_gemm *c, pl_layer *activation);
/* A gradient that is summed over samples is summed over each half of the batch, and the halves are added: any number
   of members makes the same sums, and two of them read only samples that they have made themselves, not what lies in
   the other's cache.
   The work on each half is cut into `items`; this member does [from, to) of them, on `samples` samples from `first`
   on, and writes to `sum`: `grad`, or for the second half `second`. After a barrier, pl_add_halves ends it. */
typedef struct pl_half { size_t first, samples, from, to; float *sum; bool accumulate; } pl_half;
pl_half pl_half_of(const pl_pass *pass, int half, size_t items, float *grad, float *second);
void pl_add_halves(const pl_pass *pass, float *grad, const float *second, size_t n);
/* out[j] (+)= sum over rows i of a[i*cols + j]: rows in blocks of 256, each summed by one member, then the blocks
   in order. `scratch`: pl_column_sums_scratch(rows, cols) floats. Contains a barrier. Each member ends with its own
   share of the columns (pl_team_share in grains of 16) written. Or what is before that barrier, and what is after
   it. */
void pl_column_sums_parts(const pl_team *team, const float *a, size_t rows, size_t cols, float *scratch);
void pl_column_sums_total(const pl_team *team, float *out, const float *a, size_t rows, size_t cols, bool accumulate,
                          const float *scratch);
void pl_column_sums(const pl_team *team, float *out, const float *a, size_t rows, size_t cols, bool accumulate,
                    float *scratch);
/* The same for sums over the rows that a formula's row was broadcast to, in blocks of few rows, so that members share
   rows (chain.c makes the same sums). `scratch`: pl_row_sums_scratch(rows, cols) floats. */
enum { PL_ROW_BLOCK = 16 };
size_t pl_row_sums_scratch(size_t rows, size_t cols);
void pl_row_sums(const pl_team *team, float *out, const float *a, size_t rows, size_t cols, bool accumulate,
                 float *scratch);
/* mean[j] of column j of x, and squares[j] = sum over i of (x[i][j] - mean[j])^2, shared in the same way. Blocks have
   means m_b of their own, so that x is read once: squares = sum over b of (squares_b + n_b (m_b - mean)^2). `scratch`:
   twice that of sums. */
void pl_column_moments(const pl_team *team, float *mean, float *squares, const float *x, size_t rows, size_t cols,
                       float *scratch);
/* sums[j] = sum over i of g[i][j], products[j] = sum over i of g[i][j] (x[i][j] - mean[j]), where g is dy, or with
   `relu` dy where (x - mean) scale + shift > 0, else 0; shift may be NULL (0). `scratch`: twice that of sums. */
typedef struct pl_two_sums { const float *dy, *x, *mean, *scale, *shift; size_t cols; bool relu; } pl_two_sums;
void pl_column_two_sums(const pl_team *team, float *sums, float *products, const pl_two_sums *s, size_t rows,
                        float *scratch);
size_t pl_column_sums_scratch(size_t rows, size_t cols);

extern const pl_layer_class *const pl_layer_registry[];   /* ends with NULL */
extern const pl_layer_class *const pl_operation_registry[];   /* of formulas' operations; ends with NULL */

#endif
