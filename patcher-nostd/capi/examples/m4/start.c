/* Start of the mps2-an386 board (Cortex-M4) in QEMU: vectors, memory, command line by
 * semihosting. newlib's own start code asks the emulator for the heap; this one does not. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;
extern void initialise_monitor_handles(void);
extern int main(int argc, char **argv);

static long semihosting(int operation, void *argument) {
    register long r0 __asm__("r0") = operation;
    register void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* SYS_EXIT_EXTENDED with a status, which plain SYS_EXIT cannot say. */
static void leave(int status) {
    struct { uint32_t reason, status; } block = {0x20026, (uint32_t)status};
    for (;;) {
        semihosting(0x20, &block);
    }
}

void _exit(int status) { leave(status); }

void reset(void) {
    /* The coprocessor access control register: floating point on. */
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20;
    __asm__ volatile("dsb\nisb");
    uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &bss_start; to < &bss_end;) {
        *to++ = 0;
    }
    initialise_monitor_handles();

    static char line[1024];
    static char *argv[16];
    struct { char *text; uint32_t len; } block = {line, sizeof line};
    int argc = 0;
    if (semihosting(0x15, &block) == 0) { /* SYS_GET_CMDLINE */
        char *at = line;
        while (argc < 15) {
            while (*at == ' ') {
                *at++ = 0;
            }
            if (*at == 0) {
                break;
            }
            argv[argc++] = at;
            while (*at != 0 && *at != ' ') {
                at++;
            }
        }
    }
    exit(main(argc, argv));
}

static void fault(void) { leave(70); }

/* The first word is the stack, the others are handlers. */
union vector {
    void *stack;
    void (*handler)(void);
};

__attribute__((section(".vectors"), used)) static const union vector vectors[16] = {
    {.stack = &stack_top}, {.handler = reset}, {.handler = fault}, {.handler = fault},
    {.handler = fault}, {.handler = fault}, {.handler = fault},
};
