import { EventEmitter, once } from 'node:events'
import { expect, it } from 'vitest'
import { realClock } from '../../system/index.js'
import { ChannelListener, type ListeningConnection } from './listener.js'

/** A connection that listens at once, and whose end is in the test's hands. */
function connection(close: () => Promise<void>): ListeningConnection & { readonly client: EventEmitter } {
  return { client: Object.assign(new EventEmitter(), { query: async () => undefined }), close }
}

/** Once `opened` says that it listens. */
function listening(connect: () => Promise<ListeningConnection>): ChannelListener {
  const listener = new ChannelListener(connect, 'channel', realClock)
  listener.add(() => undefined)
  return listener
}

it('closing ends though the server does not answer its farewell', { timeout: 10_000 }, async () => {
  const told = new EventEmitter()
  const opened = once(told, 'opened')
  const listener = listening(async () => {
    told.emit('opened')
    return connection(() => new Promise(() => undefined))
  })
  await opened
  await expect(listener.close()).resolves.toBeUndefined()
})

it('a connection that broke is closed, and another takes its place', async () => {
  const closed: number[] = []
  const opened: EventEmitter[] = []
  const told = new EventEmitter()
  const again = once(told, 'again')
  const listener = listening(async () => {
    const nth = opened.length
    const made = connection(async () => {
      closed.push(nth)
    })
    opened.push(made.client)
    if (nth === 0) setImmediate(() => made.client.emit('end'))
    else told.emit('again')
    return made
  })
  await again
  expect(closed).toEqual([0])
  await listener.close()
  expect(closed).toEqual([0, 1])
})
