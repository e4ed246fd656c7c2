/**
 * Every migration of `drizzle/`, in order, as text inside the program: no migration is read from disk at run time.
 */
import first from '../../drizzle/0000_first.sql' with { type: 'text' }
import audit from '../../drizzle/0001_audit.sql' with { type: 'text' }
import files from '../../drizzle/0002_files.sql' with { type: 'text' }
import events from '../../drizzle/0003_events.sql' with { type: 'text' }

export interface Migration {
  readonly name: string
  readonly statements: readonly string[]
}

const migration = (name: string, text: string): Migration => ({
  name,
  statements: text.split('--> statement-breakpoint').map((statement) => statement.trim()),
})

export const migrations: readonly Migration[] = [
  migration('0000_first', first),
  migration('0001_audit', audit),
  migration('0002_files', files),
  migration('0003_events', events),
]
