import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Whether this machine has pgbench. */
export async function hasPgbench(): Promise<boolean> {
  return promisify(execFile)('pgbench', ['--version']).then(
    () => true,
    () => false,
  )
}
