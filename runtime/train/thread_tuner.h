/* How many threads the next steps of a training get. The members of a team wait for each other many times in a step:
   where another program wants a core too, all wait for the member that lost it, and a smaller team is faster. So when
   the system takes processors away, another size is tried for one run of steps, and the faster is kept. Weights do not
   depend on it. */
#ifndef TRAIN_THREAD_TUNER_H
#define TRAIN_THREAD_TUNER_H

typedef struct pl_thread_tuner {
  int most, size;   /* threads that there are; that are used */
  int trial;        /* size of the run that comes, if that is a trial; else 0 */
  int rung;         /* of the last trial, on the ladder of sizes */
  double rate;      /* samples a second in the last run with `size` */
  double next;      /* the clock when there may be a trial again */
  double wait;      /* seconds from a trial to the next */
} pl_thread_tuner;

/* The size of the run that comes; starts anew when there are more or fewer threads than before. */
int pl_thread_tuner_size(pl_thread_tuner *p, int most);
/* How that run went: when it ended (any clock), its duration in seconds, its samples, and how often the system took a
   processor from one of its threads. */
void pl_thread_tuner_tell(pl_thread_tuner *p, double now, double seconds, double samples, long switches);

#endif
