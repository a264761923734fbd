import { Worker } from 'node:worker_threads'
import type { Done, Task } from './tasks.js'

/**
 * Does tasks in threads, one at a time in each, and tells of each as it is done. `next` is asked whenever a thread is
 * free; null: no more.
 *
 * @throws what a thread throws: then the whole run is void.
 */
export async function inThreads(threads: number, next: () => Task | null, done: (of: Done) => void): Promise<void> {
  await Promise.all(Array.from({ length: threads }, () => oneThread(next, done)))
}

function oneThread(next: () => Task | null, done: (of: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let worker: Worker | null = null
    const give = (): void => {
      const task = next()
      if (task !== null) {
        worker ??= start()
        worker.postMessage(task)
        return
      }
      void worker?.terminate()
      resolve()
    }
    const start = (): Worker => {
      const started = new Worker(new URL('./thread.js', import.meta.url))
      started.on('error', reject)
      started.on('message', (of: Done) => {
        done(of)
        give()
      })
      return started
    }
    give()
  })
}
