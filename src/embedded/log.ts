import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ownedName } from './folders.js'

/** How much of a log goes into an error. */
const SHOWN_BYTES = 4000

/** The log of one attempt to start: of its own, so that a second starter never touches the log of a running server. */
export interface StartLog {
  readonly handle: FileHandle
  /** The server runs: its log becomes `server.log`; the one before it is kept, older ones go. */
  keep(): Promise<void>
  /** It did not start: hands over the end of what it said and removes the file. */
  take(): Promise<string>
}

export async function openStartLog(folder: string): Promise<StartLog> {
  const file = join(folder, `${ownedName('start-')}.log`)
  const handle = await open(file, 'w+', 0o600)
  return {
    handle,
    keep: () => keep(folder, file),
    take: async () => {
      const { size } = await handle.stat()
      const length = Math.min(size, SHOWN_BYTES)
      const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length)
      await rm(file, { force: true })
      return buffer.toString('utf8')
    },
  }
}

async function keep(folder: string, file: string): Promise<void> {
  const current = join(folder, 'server.log')
  try {
    await rename(current, join(folder, 'server.log.1')).catch(() => undefined)
    await rename(file, current)
    for (const name of await readdir(folder)) {
      if (/^start-.*\.log$/.test(name)) await rm(join(folder, name), { force: true })
    }
  } catch {
    // Windows renames no open file: the log then keeps its first name.
  }
}
