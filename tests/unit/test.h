/* test.h - a small harness: named tests, a printed seed, "N passed, N failed" at the end. */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include "base/ctx.h"
#include "base/hash.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

struct test {
    const char *name;
    void (*run)(void);
};

extern int test_failures;
extern uint64_t test_seed;

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #cond);                                      \
            test_failures++;                                                                       \
        }                                                                                          \
    } while (0)

#define TEST_MAIN(tests)                                                                           \
    int test_failures;                                                                             \
    uint64_t test_seed;                                                                            \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        int passed = 0, failed = 0;                                                                \
        uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 20260101;                         \
        printf("seed %llu\n", (unsigned long long)seed);                                           \
        for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {                                           \
            int before = test_failures;                                                            \
            if (argc > 1 && *argv[1] && !strstr(tests[i].name, argv[1]))                           \
                continue;                                                                          \
            test_seed = seed;                                                                      \
            tests[i].run();                                                                        \
            printf("%s %s\n", test_failures == before ? "ok  " : "FAIL", tests[i].name);           \
            *(test_failures == before ? &passed : &failed) += 1;                                   \
        }                                                                                          \
        printf("%d passed, %d failed\n", passed, failed);                                          \
        return failed != 0;                                                                        \
    }

static inline uint64_t test_dice(uint64_t n)
{
    return splitmix(&test_seed) % n;
}

#endif
