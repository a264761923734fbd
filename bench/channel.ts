import type { ChildProcess, Serializable } from 'node:child_process'

/** The next message of a child process. @throws {Error} when it ends instead. */
export function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      child.off('message', onMessage)
      child.off('exit', onExit)
    }
    const onMessage = (message: unknown): void => {
      done()
      resolve(message)
    }
    const onExit = (code: number | null, signal: string | null): void => {
      done()
      reject(new Error(`A process of the bench ended before it answered (${signal ?? `exit code ${code}`}).`))
    }
    child.once('message', onMessage)
    child.once('exit', onExit)
  })
}

/** Sends an order and waits for the answer. One at a time. */
export function ask(child: ChildProcess, order: Serializable): Promise<unknown> {
  const answer = nextMessage(child)
  child.send(order)
  return answer
}
