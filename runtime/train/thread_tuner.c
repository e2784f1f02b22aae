#include "train/thread_tuner.h"
#include <stdbool.h>

static const double too_short = 0.01;      /* seconds: nothing can be told from such a run */
static const double undisturbed = 100;    /* displacements a second; an idle machine shows some 40 */
static const double clearly = 1.1;         /* times as fast */
static const double first_wait = 1, longest_wait = 16;

int pl_thread_tuner_size(pl_thread_tuner *p, int most) {
  if (p->most != most) *p = (pl_thread_tuner){ .most = most, .size = most, .wait = first_wait };
  return p->trial > 0 ? p->trial : p->size;
}

/* The sizes most, most - 1, most / 2, most / 4 ... 1. */
static int size_of(const pl_thread_tuner *p, int rung) {
  return rung == 0 ? p->most : rung == 1 ? p->most - 1 : p->most >> (rung - 1);
}

static int next_trial(pl_thread_tuner *p) {
  do p->rung = size_of(p, p->rung) == 1 ? 0 : p->rung + 1;
  while (size_of(p, p->rung) == p->size);
  return size_of(p, p->rung);
}

void pl_thread_tuner_tell(pl_thread_tuner *p, double now, double seconds, double samples, long switches) {
  if (p->most < 2 || seconds < too_short) return;
  double rate = samples / seconds;
  if (p->trial == 0) {
    p->rate = rate;
    bool disturbed = (double)switches > undisturbed * seconds;
    if (now >= p->next && (disturbed || p->size < p->most)) p->trial = next_trial(p);
    return;
  }
  if (rate > clearly * p->rate) {
    p->size = p->trial;
    p->rate = rate;
    p->wait = first_wait;
  } else if (p->wait < longest_wait) p->wait *= 2;
  p->trial = 0;
  p->next = now + p->wait;
}
