import { describe, expect, it } from 'vitest'
import { realClock } from '../../system/index.js'
import { StageClock } from './stage-clock.js'

describe('the clock of a stage', () => {
  it('stands still until it is told otherwise', async () => {
    const clock = new StageClock(realClock)
    const before = [clock.monotonicMs(), clock.wallMs()]
    await realClock.sleep(20)
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual(before)
  })

  it('jumps over a day at once, and wakes whoever waited, the earliest first', () => {
    const clock = new StageClock(realClock)
    const woken: string[] = []
    clock.schedule(86_400_000, () => woken.push('a day'))
    clock.schedule(1_000, () => woken.push('a second'))
    const cancel = clock.schedule(2_000, () => woken.push('cancelled'))
    clock.schedule(86_400_001, () => woken.push('later'))
    cancel()
    expect(clock.nextInMs()).toBe(1_000)
    clock.jump(86_400_000)
    expect(woken).toEqual(['a second', 'a day'])
    expect(clock.monotonicMs()).toBe(86_400_000)
    expect(clock.nextInMs()).toBe(1)
  })

  it('flows like the real one while it is let, and keeps what has passed', async () => {
    const clock = new StageClock(realClock)
    const slept = clock.sleep(30)
    clock.flow()
    await slept
    clock.freeze()
    const passedMs = clock.monotonicMs()
    expect(passedMs).toBeGreaterThanOrEqual(30)
    await realClock.sleep(10)
    expect(clock.monotonicMs()).toBe(passedMs)
  })

  it('ends a wait at once when its signal aborts, and never rejects', async () => {
    const clock = new StageClock(realClock)
    const over = new AbortController()
    const slept = clock.sleep(1_000, over.signal)
    over.abort()
    await slept
    await clock.sleep(1_000, over.signal)
    expect(clock.nextInMs()).toBeNull()
  })
})
