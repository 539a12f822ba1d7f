// Stands in for libnvidia-ml.so.1: one GPU that draws what a recording says, over and over by the monotonic clock.
// NVML_RECORDING names a file of rows "milliseconds watts percent"; the last row ends the period at the first one's
// power. NVML_REFUSES names one function, NVML_ANSWERS the error that it answers (3, "Not Supported", where nothing is
// said). The counter of energy is renewed at each row.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, MOST_ROWS = 1000 };
static const unsigned long long MIB = 1024 * 1024;
static const double HELD_MS = 50; // until then memory is that of before the launch
static double at_ms[MOST_ROWS], watts[MOST_ROWS], percent[MOST_ROWS], joules[MOST_ROWS], began_ms = -1;
static int rows = 0;

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void read_recording(void) {
  if (rows) return;
  FILE *file = fopen(getenv("NVML_RECORDING"), "r");
  while (file && rows < MOST_ROWS && fscanf(file, "%lf %lf %lf", &at_ms[rows], &watts[rows], &percent[rows]) == 3) rows++;
  if (file) fclose(file);
  for (int row = 1; row < rows; row++)
    joules[row] = joules[row - 1] + (watts[row] + watts[row - 1]) / 2 * (at_ms[row] - at_ms[row - 1]) / 1e3;
  began_ms = now_ms();
}

// The row that holds now, and the energy of all periods before.
static int row_now(double *joules_before) {
  read_recording();
  const double period_ms = at_ms[rows - 1], now = now_ms();
  const long long periods = (long long)(now / period_ms);
  *joules_before = periods * joules[rows - 1];
  int row = 0;
  while (row + 1 < rows && at_ms[row + 1] <= now - periods * period_ms) row++;
  return row;
}

static int answer_of(const char *function) {
  const char *refused = getenv("NVML_REFUSES"), *error = getenv("NVML_ANSWERS");
  if (!refused || strcmp(refused, function)) return OK;
  return error ? atoi(error) : NOT_SUPPORTED;
}
#define ANSWER answer_of(__func__)

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } utilization_t;

int nvmlInitWithFlags(unsigned flags) { (void)flags; read_recording(); return ANSWER; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return ANSWER; }
const char *nvmlErrorString(int result) {
  const char *words[] = {[NOT_SUPPORTED] = "Not Supported", [4] = "Insufficient Permissions", [NOT_FOUND] = "Not Found", [15] = "GPU is lost"};
  return result >= 0 && result <= 15 && words[result] ? words[result] : "Unknown Error";
}
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "580.0"); return ANSWER; }
int nvmlSystemGetNVMLVersion(char *text, unsigned size) { snprintf(text, size, "13.580.0"); return ANSWER; }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = 13000; return ANSWER; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return ANSWER; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **gpu) { *gpu = (void *)1; return index ? NOT_FOUND : ANSWER; }
int nvmlDeviceGetIndex(void *gpu, unsigned *index) { (void)gpu; *index = 0; return ANSWER; }
int nvmlDeviceGetName(void *gpu, char *text, unsigned size) {
  (void)gpu; snprintf(text, size, "NVIDIA A100-SXM4-80GB"); return ANSWER;
}
int nvmlDeviceGetUUID(void *gpu, char *text, unsigned size) { (void)gpu; snprintf(text, size, "GPU-1"); return ANSWER; }
int nvmlDeviceGetCudaComputeCapability(void *gpu, int *major, int *minor) {
  (void)gpu; *major = 8; *minor = 0; return ANSWER;
}
int nvmlDeviceGetMemoryInfo(void *gpu, memory_t *memory) {
  (void)gpu; read_recording();
  memory->total = 81920 * MIB;
  memory->used = (now_ms() - began_ms < HELD_MS ? 1000 : 3000) * MIB;
  memory->free = memory->total - memory->used;
  return ANSWER;
}
int nvmlDeviceGetUtilizationRates(void *gpu, utilization_t *rates) {
  (void)gpu; double before; rates->gpu = percent[row_now(&before)]; rates->memory = 0;
  return ANSWER;
}
int nvmlDeviceGetPowerUsage(void *gpu, unsigned *milliwatts) {
  (void)gpu; double before; *milliwatts = watts[row_now(&before)] * 1e3; return ANSWER;
}
int nvmlDeviceGetTotalEnergyConsumption(void *gpu, unsigned long long *millijoules) {
  (void)gpu; double before; const int row = row_now(&before);
  *millijoules = (before + joules[row]) * 1e3;
  return ANSWER;
}
int nvmlDeviceGetTemperature(void *gpu, int sensor, unsigned *celsius) {
  (void)gpu; (void)sensor; *celsius = 41; return ANSWER;
}
int nvmlDeviceGetClockInfo(void *gpu, int kind, unsigned *mhz) {
  (void)gpu; *mhz = kind == 2 ? 1593 : 1410; return ANSWER;
}
int nvmlDeviceGetCurrentClocksEventReasons(void *gpu, unsigned long long *reasons) {
  (void)gpu; *reasons = 0; return ANSWER;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **gpu) {
  *gpu = (void *)1; return strcmp(uuid, "GPU-1") ? NOT_FOUND : ANSWER;
}
int nvmlDeviceGetNumGpuCores(void *gpu, unsigned *cores) { (void)gpu; *cores = 6912; return ANSWER; }
int nvmlDeviceGetMaxClockInfo(void *gpu, int kind, unsigned *mhz) {
  (void)gpu; *mhz = kind == 2 ? 1593 : 1410; return ANSWER;
}
int nvmlDeviceGetEnforcedPowerLimit(void *gpu, unsigned *milliwatts) { (void)gpu; *milliwatts = 400000; return ANSWER; }
int nvmlDeviceGetPersistenceMode(void *gpu, int *mode) { (void)gpu; *mode = 1; return ANSWER; }
int nvmlDeviceGetEccMode(void *gpu, int *now, int *later) { (void)gpu; *now = *later = 1; return ANSWER; }
int nvmlDeviceGetMigMode(void *gpu, unsigned *now, unsigned *later) { (void)gpu; *now = *later = 0; return ANSWER; }
int nvmlDeviceGetMaxMigDeviceCount(void *gpu, unsigned *count) { (void)gpu; *count = 0; return ANSWER; }
int nvmlDeviceGetVbiosVersion(void *gpu, char *text, unsigned size) { (void)gpu; snprintf(text, size, "92.00"); return ANSWER; }
int nvmlDeviceGetCurrPcieLinkGeneration(void *gpu, unsigned *number) { (void)gpu; *number = 4; return ANSWER; }
int nvmlDeviceGetCurrPcieLinkWidth(void *gpu, unsigned *lanes) { (void)gpu; *lanes = 16; return ANSWER; }
// One process computes, and none draws.
typedef struct { unsigned pid; unsigned long long used; unsigned instance, compute_instance; } process_t;
int nvmlDeviceGetComputeRunningProcesses_v3(void *gpu, unsigned *count, process_t *found) {
  (void)gpu;
  if (ANSWER) return ANSWER;
  const unsigned room = *count;
  *count = 1;
  if (!room || !found) return INSUFFICIENT_SIZE;
  found[0] = (process_t){1, 7 * MIB, 0, 0};
  return OK;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *gpu, unsigned *count, process_t *found) {
  (void)gpu; (void)found; *count = 0; return ANSWER;
}
