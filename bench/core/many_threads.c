/* Workloads of several threads: blocks made by one and freed by another, threads that come and go,
 * a server whose threads hand their live blocks on when they end, and large blocks in each thread.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/core/allocator.h"
#include "bench/core/workload.h"

static void start(pthread_t *thread, void *(*body)(void *), void *argument) {
  if (pthread_create(thread, NULL, body, argument) != 0) {
    fprintf(stderr, "bench: cannot start a thread\n");
    exit(1);
  }
}

/* -- Producer and consumer: batches of blocks go through a small queue, and are freed at its other
 * end. */

enum { BATCH_SIZE = 64, QUEUE_LENGTH = 128 };

typedef struct queue {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  void **batches[QUEUE_LENGTH];
  size_t first, count;
} queue_t;

static void put(queue_t *queue, void **batch) {
  pthread_mutex_lock(&queue->lock);
  while (queue->count == QUEUE_LENGTH) {
    pthread_cond_wait(&queue->changed, &queue->lock);
  }
  queue->batches[(queue->first + queue->count++) % QUEUE_LENGTH] = batch;
  pthread_cond_broadcast(&queue->changed);
  pthread_mutex_unlock(&queue->lock);
}

static void **take(queue_t *queue) {
  pthread_mutex_lock(&queue->lock);
  while (queue->count == 0) {
    pthread_cond_wait(&queue->changed, &queue->lock);
  }
  void **batch = queue->batches[queue->first];
  queue->first = (queue->first + 1) % QUEUE_LENGTH;
  queue->count--;
  pthread_cond_broadcast(&queue->changed);
  pthread_mutex_unlock(&queue->lock);
  return batch;
}

typedef struct consumer {
  queue_t *queue;
  uint64_t sum;
} consumer_t;

static void *consume(void *argument) {
  consumer_t *self = argument;
  void **batch;
  while ((batch = take(self->queue)) != NULL) {
    for (size_t i = 0; i < BATCH_SIZE; i++) {
      self->sum += drop_block(batch[i]);
    }
    bench_free(batch);
  }
  return NULL;
}

uint64_t run_producer_consumer(double scale) {
  queue_t queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
  consumer_t consumer = {.queue = &queue, .sum = 0};
  random_source_t source = {2862933555777941757u};
  pthread_t thread;
  start(&thread, consume, &consumer);
  for (size_t i = scaled(70000, scale); i > 0; i--) {
    void **batch = need_malloc(BATCH_SIZE * sizeof *batch);
    for (size_t j = 0; j < BATCH_SIZE; j++) {
      batch[j] = make_block(random_size(&source));
    }
    put(&queue, batch);
  }
  put(&queue, NULL);
  pthread_join(thread, NULL);
  return consumer.sum;
}

/* -- Threads that come and go: each makes blocks, frees most, and leaves the rest to whoever ends
 * it. */

enum { VISIT_BLOCKS = 2000, LEGACY_BLOCKS = 100 };

typedef struct visitor {
  random_source_t source;
  uint64_t sum;
  void *legacy[LEGACY_BLOCKS];
} visitor_t;

static void *visit(void *argument) {
  visitor_t *self = argument;
  void *blocks[VISIT_BLOCKS];
  for (size_t i = 0; i < VISIT_BLOCKS; i++) {
    blocks[i] = make_block(random_size(&self->source));
  }
  for (size_t i = 0; i < VISIT_BLOCKS; i++) {
    if (i % (VISIT_BLOCKS / LEGACY_BLOCKS) == 0) {
      self->legacy[i / (VISIT_BLOCKS / LEGACY_BLOCKS)] = blocks[i];
    } else {
      self->sum += drop_block(blocks[i]);
    }
  }
  return NULL;
}

uint64_t run_threads_come_and_go(double scale) {
  enum { AT_ONCE = 4 };
  static visitor_t visitors[AT_ONCE];
  pthread_t threads[AT_ONCE];
  uint64_t sum = 0;
  for (size_t wave = scaled(500, scale); wave > 0; wave--) {
    for (size_t i = 0; i < AT_ONCE; i++) {
      visitors[i] = (visitor_t){.source = {wave * 7919 + i + 1}};
      start(&threads[i], visit, &visitors[i]);
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
      pthread_join(threads[i], NULL);
      sum += visitors[i].sum;
      for (size_t j = 0; j < LEGACY_BLOCKS; j++) {
        sum += drop_block(visitors[i].legacy[j]);
      }
    }
  }
  return sum;
}

/* -- Server threads, after the idea of Larson and Krishnan's benchmark ("Memory allocation for
 * long-running server applications", 1998): a thread replaces random blocks of a table for a while,
 * then a new thread goes on with the same table, so that blocks outlive their threads. */

enum { TABLE_BLOCKS = 5000, STEPS_PER_LIFE = 50000 };

typedef struct server {
  random_source_t source;
  uint64_t sum;
  void *table[TABLE_BLOCKS];
} server_t;

static void *serve(void *argument) {
  server_t *self = argument;
  for (size_t i = 0; i < STEPS_PER_LIFE; i++) {
    void **slot = &self->table[random_below(&self->source, TABLE_BLOCKS)];
    if (*slot) {
      self->sum += drop_block(*slot);
    }
    *slot = make_block(random_size(&self->source));
  }
  return NULL;
}

uint64_t run_server_threads(double scale) {
  enum { SERVERS = 4 };
  static server_t servers[SERVERS];
  pthread_t threads[SERVERS];
  uint64_t sum = 0;
  for (size_t i = 0; i < SERVERS; i++) {
    servers[i].source.state = 6364136223846793005u + i;
  }
  for (size_t life = scaled(40, scale); life > 0; life--) {
    for (size_t i = 0; i < SERVERS; i++) {
      start(&threads[i], serve, &servers[i]);
    }
    for (size_t i = 0; i < SERVERS; i++) {
      pthread_join(threads[i], NULL);
    }
    /* The next generation works on the table of its neighbour. */
    void *first[TABLE_BLOCKS];
    memcpy(first, servers[0].table, sizeof first);
    for (size_t i = 0; i + 1 < SERVERS; i++) {
      memcpy(servers[i].table, servers[i + 1].table, sizeof first);
    }
    memcpy(servers[SERVERS - 1].table, first, sizeof first);
  }
  for (size_t i = 0; i < SERVERS; i++) {
    sum += servers[i].sum;
    for (size_t j = 0; j < TABLE_BLOCKS; j++) {
      sum += servers[i].table[j] ? drop_block(servers[i].table[j]) : 0;
    }
  }
  return sum;
}

/* -- Large threads: each replaces blocks of about 1 MiB, of which every page is written once. */

enum { LARGE_BLOCKS = 8, LARGE_BYTES = 1 << 20, PAGE_BYTES = 4096 };

typedef struct large_worker {
  random_source_t source;
  size_t steps;
  uint64_t sum;
} large_worker_t;

static void *replace_large(void *argument) {
  large_worker_t *self = argument;
  unsigned char *blocks[LARGE_BLOCKS] = {NULL};
  for (size_t i = 0; i < self->steps; i++) {
    unsigned char **slot = &blocks[random_below(&self->source, LARGE_BLOCKS)];
    size_t size = LARGE_BYTES - LARGE_BYTES / 8 + random_below(&self->source, LARGE_BYTES / 4);
    bench_free(*slot);
    *slot = need_malloc(size);
    for (size_t at = 0; at < size; at += PAGE_BYTES) {
      (*slot)[at] = (unsigned char)i;
    }
    self->sum += size + (*slot)[size / 2 / PAGE_BYTES * PAGE_BYTES];
  }
  for (size_t i = 0; i < LARGE_BLOCKS; i++) {
    bench_free(blocks[i]);
  }
  return NULL;
}

uint64_t run_large_threads(double scale) {
  enum { WORKERS = 4 };
  large_worker_t workers[WORKERS];
  pthread_t threads[WORKERS];
  uint64_t sum = 0;
  for (size_t i = 0; i < WORKERS; i++) {
    workers[i] =
        (large_worker_t){.source = {2685821657736338717u + i}, .steps = scaled(6000, scale)};
    start(&threads[i], replace_large, &workers[i]);
  }
  for (size_t i = 0; i < WORKERS; i++) {
    pthread_join(threads[i], NULL);
    sum += workers[i].sum;
  }
  return sum;
}
