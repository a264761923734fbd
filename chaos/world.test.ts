import { expect, it } from 'vitest'
import type { TcpProxy } from './proxy.js'
import type { Worker } from './worker.js'
import { Place } from './world.js'

/** A place whose workers end when they are told to by `end`, and all who were started in it. */
function setUp() {
  const workers: { readonly end: () => void; isAlive: boolean }[] = []
  const start = (): Worker => {
    let end: () => void = () => undefined
    const exited = new Promise<void>((resolve) => {
      end = () => {
        worker.isAlive = false
        resolve()
      }
    })
    const worker = { end, isAlive: true }
    workers.push(worker)
    const kill = async (): Promise<void> => {
      end()
      await exited
    }
    return { exited, kill, signal: () => undefined } as unknown as Worker
  }
  const toDatabase = { close: async () => undefined } as unknown as TcpProxy
  return { workers, place: new Place({ toDatabase, toRedis: null, wallClock: null }, start) }
}

it('a place that is emptied by two strikes at once is filled once', async () => {
  for (const strikes of [
    (place: Place) => [place.replaceKilled(), place.replaceStopped()],
    (place: Place) => [place.replaceStopped(), place.replaceKilled()],
    (place: Place) => [place.replaceKilled(), place.replaceKilled()],
  ]) {
    const { workers, place } = setUp()
    const struck = strikes(place)
    workers[0]?.end()
    await Promise.all(struck)
    expect(workers.filter(({ isAlive }) => isAlive)).toHaveLength(1)
  }
})

it('no worker outlives its place, not even one that takes its time to end', async () => {
  const { workers, place } = setUp()
  const leaving = place.replaceStopped()
  const killed = place.replaceKilled()
  await place.close()
  await Promise.all([leaving, killed])
  expect(workers.filter(({ isAlive }) => isAlive)).toEqual([])
})
