/* A plan: what a pass over a graph runs, in which order, and where each value, gradient and workspace of a batch lies
   in the arena. Made for a mode, a largest batch and a largest team. */
#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H

#include "layers/chain.h"
#include "layers/fused.h"
#include "layers/layer.h"
#include "perilune/model.h"

/* Operations on elements in strips: chains.c. */
typedef struct pl_chain {
  pl_chain_code forward, backward;
  bool kept[PL_MOST_CHAIN];           /* per operation: its value is in memory */
} pl_chain;

/* Forwards: one operation, or several that a fused one stands for (fusion.c), or a chain. */
typedef struct pl_node {
  const struct pl_pattern *pattern;   /* NULL: one operation, or a chain */
  pl_chain *chain;                    /* owned; NULL: none */
  int ops, op[PL_MOST_CHAIN];         /* in order; the node's output is that of the last */
  int other;                          /* the other input of a sum among them; -1: none */
  bool single_thread;                 /* too small to be shared by a team */
} pl_node;

typedef enum pl_back_kind {
  PL_BACK_CHAIN,      /* all of a chain, sums of its values' gradients included */
  PL_BACK_OPS,        /* the backward of operations `first` to the last of a node */
  PL_BACK_SUM,        /* the gradient of `value` is the sum of those of its uses */
  PL_BACK_PARAM,      /* the same of a formula's parameter, to its address in the model */
  PL_BACK_SUM_RELU    /* the same of two uses, and the backward of the ReLU that made the value */
} pl_back_kind;

typedef struct pl_back {
  pl_back_kind kind;
  int node, first;    /* first: in the node's list; the last of PL_BACK_OPS is node.op[last] */
  int last;
  int value, part, parts;   /* a sum: of plan->part[part .. part + parts) */
  bool single_thread;
} pl_back;

/* Of an operation: its parameters' gradients are a phase of their own; they are added to those of another call of its
   layer; there are other calls. */
enum { PL_DEFERS_PARAM_GRADS = 1, PL_ACCUMULATES = 2, PL_SHARES_PARAMS = 4 };

/* Gradients are numbered: that of value v is v; where a value has several uses, each has a gradient of its own. */
typedef struct pl_plan {
  size_t capacity;              /* samples it was made for; 0: not yet made */
  int members;                  /* and the largest team */
  size_t bytes;
  pl_node *node;
  pl_back *back;
  int nodes, backs;
  int *input_grad;              /* per input of an operation (as graph->input): the gradient of that use */
  int output_grad;              /* the gradient that the caller gives */
  int *part;                    /* gradients that are summed */
  bool *needs_grad;             /* per value */
  bool *summed;                 /* per value: a chain adds its gradients up */
  unsigned char *param_grads;   /* per operation: PL_DEFERS_PARAM_GRADS, ... */
  bool shares_params;           /* some operation does */
  int *act_alias, *grad_alias;  /* per value, per gradient: the one whose buffer it shares */
  size_t *act, *grad;           /* per value, per gradient: offset in the arena (where it is its own alias) */
  size_t *saved, *scratch[3];   /* per operation; scratch: forward, backward, param_grads */
  pl_memory *need;              /* per operation */
  /* chunked inference (chunks.c): samples of a chunk, bytes that a member has for it; 0: all at once */
  size_t chunk, chunk_arena;
} pl_plan;

/* plans: one a mode, then variants of PL_TRAIN and of PL_INFER */
enum { PLAN_TRAIN_INPUT = PL_TRAIN + 1, PLAN_CHUNKED, PLANS };

typedef struct pl_plan_request {
  size_t batch;
  int members;                  /* of the largest team */
  pl_mode mode;
  bool input_gradient, fuse;
  bool plain;                   /* for verify.c: no value or gradient takes the place of another */
} pl_plan_request;

/* PL_ERROR_MEMORY where a batch needs more bytes than there can be, and sums of them might overflow. */
pl_status pl_plan_check_batch(const pl_graph *graph, size_t batch, pl_error *err);
pl_status pl_plan_make(const pl_graph *graph, pl_plan *plan, const pl_plan_request *request, pl_error *err);
void pl_plan_clear(pl_plan *plan);
/* verify.c: a plan of a training pass, nothing fused, no memory used twice; for one thread. */
pl_status pl_plan_make_plain(const pl_graph *graph, pl_plan *plan, size_t batch, bool input_gradient, pl_error *err);
/* The first of n values whose bits differ; n: none. And the error about it. */
size_t pl_first_difference(const float *a, const float *b, size_t n);
pl_status pl_say_difference(const char *what, size_t i, double planned_value, double plain_value, pl_error *err);

/* ---- fusion.c: operations that follow each other become one ---- */
typedef struct pl_pattern {
  const char *name;
  const char *type[PL_MOST_FUSED];   /* of classes; PL_ANY_ACTIVATION: elementwise, with its derivative written in y */
  int ops;
  int back;                          /* its last `back` operations go backward together, the others by themselves */
  /* more conditions; may be NULL */
  bool (*fits)(const pl_graph *graph, const pl_op *const *op);
  /* beyond that of the classes; may be NULL */
  void (*memory)(const pl_graph *graph, const pl_op *const *op, pl_memory *const *need);
  void (*forward)(const pl_fused *f);
  void (*backward)(const pl_fused *f);
} pl_pattern;

/* Fills plan->node. uses[v]: how often value v is used, the model's output counted. */
pl_status pl_plan_fuse(const pl_graph *graph, pl_plan *plan, const int *uses, const pl_plan_request *request,
                       pl_error *err);
/* A layer that passes its input on in this mode. */
bool pl_op_is_alias(const pl_op *op, pl_mode mode);

/* ---- chains.c: operations on elements in strips ---- */
/* How often each value is used; `useful`: by operations on the way to the output, and as the output, which is where
   gradients come from. */
typedef struct pl_uses { int *all, *useful; bool *leads_out; } pl_uses;

/* The operations that a chain beginning with operation `first` has: node->op; their number. `taken`: belong elsewhere;
   uses[v]: how often value v is used, the output counted. */
int pl_chain_find(const pl_graph *graph, int first, const bool *taken, const int *uses, pl_node *node);
/* When it is known which gradients are needed: the programs of all chains. */
void pl_chains_compile(const pl_graph *graph, pl_plan *plan, const pl_uses *uses, pl_mode mode);

/* ---- liveness.c: from when to when memory is needed, and where it lies ---- */
pl_status pl_plan_place(const pl_graph *graph, pl_plan *plan, const pl_plan_request *request, pl_error *err);

/* ---- arena.c ---- */
/* Memory that is needed from one time to another (both included), and where it is to lie. */
typedef struct pl_buffer { size_t bytes, *offset; int birth, death; } pl_buffer;
/* Gives each an offset, such that buffers whose times meet do not overlap. Returns the bytes of the whole. Reorders the
   list. */
size_t pl_arena_arrange(pl_buffer *list, int count);

#endif
