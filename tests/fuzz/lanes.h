/* Lanes: a few threads of which one runs at a time. What an input does on several threads is so the
 * same each time. Lane 0 is the thread that calls. */
#ifndef FERROC_TESTS_FUZZ_LANES_H
#define FERROC_TESTS_FUZZ_LANES_H

enum { LANES = 3 };

/* Runs body on a lane, which begins its life if need be, and waits until it is through. */
void lane_run(int lane, void (*body)(void *argument), void *argument);

/* Ends the lane's thread if there is one. Lane 0 stays. */
void lane_end(int lane);

#endif /* FERROC_TESTS_FUZZ_LANES_H */
