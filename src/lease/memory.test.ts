import { describe, it } from 'vitest'
import { realClock } from '../system/index.js'
import { leasePromises } from './conformance.js'
import { MemoryLease } from './memory.js'

describe('leases in memory', () => {
  const service = new MemoryLease(realClock)
  it.each(leasePromises)('$name', ({ check }) => check({ service, clock: realClock }))
})
