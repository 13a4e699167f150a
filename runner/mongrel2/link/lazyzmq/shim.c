/*
 * The functions of libzmq that pebbe/zmq4 calls, each a jump through a pointer
 * that wsgid_zmq_load fills. zmq.h is not included on purpose: it declares the
 * functions as exported, and these must stay inside the program, so that
 * libzmq's calls of itself do not come here. Pointers to libzmq's structures
 * are void * for the same reason.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define INSIDE __attribute__((visibility("hidden")))

/* result, name, parameters, arguments */
#define FUNCTIONS(F)                                                           \
  F(int, zmq_bind, (void *a, const char *b), (a, b))                           \
  F(int, zmq_close, (void *a), (a))                                            \
  F(int, zmq_connect, (void *a, const char *b), (a, b))                        \
  F(int, zmq_ctx_get, (void *a, int b), (a, b))                                \
  F(int, zmq_ctx_set, (void *a, int b, int c), (a, b, c))                      \
  F(int, zmq_ctx_term, (void *a), (a))                                         \
  F(int, zmq_curve_keypair, (char *a, char *b), (a, b))                        \
  F(int, zmq_curve_public, (char *a, const char *b), (a, b))                   \
  F(int, zmq_disconnect, (void *a, const char *b), (a, b))                     \
  F(int, zmq_getsockopt, (void *a, int b, void *c, size_t *d), (a, b, c, d))   \
  F(int, zmq_has, (const char *a), (a))                                        \
  F(int, zmq_msg_close, (void *a), (a))                                        \
  F(void *, zmq_msg_data, (void *a), (a))                                      \
  F(const char *, zmq_msg_gets, (const void *a, const char *b), (a, b))        \
  F(int, zmq_msg_init, (void *a), (a))                                         \
  F(int, zmq_msg_recv, (void *a, void *b, int c), (a, b, c))                   \
  F(int, zmq_poll, (void *a, int b, long c), (a, b, c))                        \
  F(int, zmq_proxy, (void *a, void *b, void *c), (a, b, c))                    \
  F(int, zmq_proxy_steerable, (void *a, void *b, void *c, void *d),            \
    (a, b, c, d))                                                              \
  F(int, zmq_setsockopt, (void *a, int b, const void *c, size_t d),            \
    (a, b, c, d))                                                              \
  F(void *, zmq_socket, (void *a, int b), (a, b))                              \
  F(int, zmq_socket_monitor, (void *a, const char *b, int c), (a, b, c))       \
  F(int, zmq_unbind, (void *a, const char *b), (a, b))                         \
  F(uint8_t *, zmq_z85_decode, (uint8_t *a, const char *b), (a, b))            \
  F(char *, zmq_z85_encode, (char *a, const uint8_t *b, size_t c), (a, b, c))

#define POINTER(result, name, parameters, arguments)                           \
  static result(*real_##name) parameters;
FUNCTIONS(POINTER)
static void *(*real_zmq_ctx_new)(void);
static void (*real_zmq_version)(int *, int *, int *);
static const char *(*real_zmq_strerror)(int);
static int (*real_zmq_send)(void *, const void *, size_t, int);
static int (*real_zmq_msg_init_data)(void *, void *, size_t,
                                     void (*)(void *, void *), void *);
static int (*real_zmq_msg_send)(void *, void *, int);

/* Functions that return a pointer fail with NULL, the others with -1. */
#define FAILED(result) _Generic((result)0, int: -1, default: (result)0)
#define JUMP(result, name, parameters, arguments)                              \
  INSIDE result name parameters {                                              \
    if (real_##name == NULL) {                                                 \
      errno = ENOSYS;                                                          \
      return FAILED(result);                                                   \
    }                                                                          \
    return real_##name arguments;                                              \
  }
FUNCTIONS(JUMP)

/*
 * Bytes of long messages that libzmq has and the kernel has not: libzmq itself
 * does not tell. Short ones are not worth the count.
 */
static int64_t queued;
#define COUNTED_FROM (32 << 10)

static void sent(void *data, void *size) {
  __atomic_sub_fetch(&queued, (int64_t)(intptr_t)size, __ATOMIC_RELAXED);
  munmap(data, (size_t)(intptr_t)size);
}

int64_t wsgid_zmq_queued(void) {
  return __atomic_load_n(&queued, __ATOMIC_RELAXED);
}

INSIDE int zmq_send(void *socket, const void *data, size_t size, int flags) {
  void *message[8]; /* a zmq_msg_t: 64 bytes, aligned as a pointer */
  void *copy;
  int result, error;
  if (real_zmq_send == NULL) {
    errno = ENOSYS;
    return -1;
  }
  if (size < COUNTED_FROM)
    return real_zmq_send(socket, data, size, flags);
  /* Not malloc, which would keep what such a message has taken. */
  copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
              -1, 0);
  if (copy == MAP_FAILED)
    return -1;
  memcpy(copy, data, size);
  if (real_zmq_msg_init_data(message, copy, size, sent, (void *)size) != 0) {
    munmap(copy, size);
    return -1;
  }
  __atomic_add_fetch(&queued, (int64_t)size, __ATOMIC_RELAXED);
  result = real_zmq_msg_send(message, socket, flags);
  if (result < 0) {
    error = errno;
    real_zmq_msg_close(message);
    errno = error;
  }
  return result;
}

/* Large enough for libzmq to look for the mark of a context in it, in vain. */
static char placeholder[4096];

INSIDE void *zmq_ctx_new(void) {
  return real_zmq_ctx_new != NULL ? real_zmq_ctx_new() : placeholder;
}

extern const int wsgid_zmq_header[3];

INSIDE void zmq_version(int *major, int *minor, int *patch) {
  if (real_zmq_version != NULL) {
    real_zmq_version(major, minor, patch);
    return;
  }
  *major = wsgid_zmq_header[0];
  *minor = wsgid_zmq_header[1];
  *patch = wsgid_zmq_header[2];
}

INSIDE const char *zmq_strerror(int number) {
  return real_zmq_strerror != NULL ? real_zmq_strerror(number)
                                   : "libzmq is not loaded";
}

/* Opens the library of that name. Returns NULL, or why it cannot. */
const char *wsgid_zmq_load(const char *name) {
  void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (lib == NULL)
    return dlerror();
#define FIND(result, name, parameters, arguments)                              \
  result(*found_##name) parameters = (result(*) parameters)dlsym(lib, #name);  \
  if (found_##name == NULL)                                                    \
    return dlerror();
  FUNCTIONS(FIND)
  FIND(void *, zmq_ctx_new, (void), ())
  FIND(void, zmq_version, (int *, int *, int *), ())
  FIND(const char *, zmq_strerror, (int), ())
  FIND(int, zmq_send, (void *, const void *, size_t, int), ())
  FIND(int, zmq_msg_init_data,
       (void *, void *, size_t, void (*)(void *, void *), void *), ())
  FIND(int, zmq_msg_send, (void *, void *, int), ())
#define TAKE(result, name, parameters, arguments) real_##name = found_##name;
  FUNCTIONS(TAKE)
  TAKE(, zmq_ctx_new, , )
  TAKE(, zmq_version, , )
  TAKE(, zmq_strerror, , )
  TAKE(, zmq_send, , )
  TAKE(, zmq_msg_init_data, , )
  TAKE(, zmq_msg_send, , )
  return NULL;
}
