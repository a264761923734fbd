import { Worker } from 'node:worker_threads'
import type { Done, Task } from './tasks.js'

/**
 * Does tasks in threads, one at a time in each, and tells of each as it is done. `next` is asked whenever a thread is
 * free; null: no more. When it is `stopped`, histories that are being played come to their end, and what takes long is
 * given up.
 *
 * @throws what a thread throws: then the whole run is void.
 */
export async function inThreads(
  threads: number,
  next: () => Task | null,
  { stopped }: { readonly stopped: AbortSignal },
  done: (of: Done) => void,
): Promise<void> {
  await Promise.all(Array.from({ length: threads }, () => oneThread(next, stopped, done)))
}

function oneThread(next: () => Task | null, stopped: AbortSignal, done: (of: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let worker: Worker | null = null
    let task: Task | null = null
    const end = (): void => {
      stopped.removeEventListener('abort', giveUp)
      void worker?.terminate()
      resolve()
    }
    const giveUp = (): void => {
      if (task?.kind !== 'random') end()
    }
    const give = (): void => {
      task = next()
      if (task === null) {
        end()
        return
      }
      worker ??= start()
      worker.postMessage(task)
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
    stopped.addEventListener('abort', giveUp)
    give()
  })
}
