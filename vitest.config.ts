import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'lab/**/*.test.ts', 'chaos/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/global-postgres.ts'],
    // For two cores: many tests mostly wait (for a lease to end, a window to pass), so one more than there are cores.
    maxWorkers: 3,
    reporters: ['default', './test/support/plain-reporter.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
