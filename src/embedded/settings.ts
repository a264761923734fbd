import { EmbeddedPostgresError } from './errors.js'

/** What the launcher relies on. On the command line they also stand above ALTER SYSTEM. */
const FIXED: Readonly<Record<string, string>> = {
  // An acknowledged commit is on disk. This is what the journal stands on.
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  listen_addresses: '127.0.0.1',
  // TCP with a password serves all platforms alike; one door less to guard.
  unix_socket_directories: '',
  log_destination: 'stderr',
  logging_collector: 'off',
  lc_messages: 'C',
}

const OURS_ALONE = ['port', 'data_directory', 'hba_file', 'ident_file', 'config_file', 'external_pid_file']

/**
 * The settings of a server: the user's and ours.
 * @throws EmbeddedPostgresError `setting_refused` for one that would break durability or the launcher.
 */
export function serverSettings(chosen: Readonly<Record<string, string>>): Record<string, string> {
  for (const [name, value] of Object.entries(chosen)) {
    const fixed = FIXED[name.toLowerCase()]
    if (!/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name)) throw refused(name, 'is not the name of a setting')
    if (OURS_ALONE.includes(name.toLowerCase())) throw refused(name, 'is chosen by the launcher')
    if (fixed !== undefined && fixed !== value) {
      throw refused(
        name,
        `must stay ${JSON.stringify(fixed)}: acknowledged commits, or the launcher itself, rest on it`,
      )
    }
  }
  return { ...chosen, ...FIXED }
}

function refused(name: string, why: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'setting_refused',
    `The setting ${JSON.stringify(name)} ${why}. Nothing was started. Leave it out of \`settings\`.`,
  )
}
