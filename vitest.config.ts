import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'lab/**/*.test.ts', 'chaos/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/global-postgres.ts'],
    // Two cores: more workers than that only make timing-sensitive tests (leases, windows) wait for a core.
    maxWorkers: 2,
    reporters: ['default', './test/support/plain-reporter.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
