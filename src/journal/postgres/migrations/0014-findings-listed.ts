import type { Migration } from './migration.js'

/**
 * Findings of an effect by kind and status, in the order of their ids: what waits for a person or for its repair, and what
 * has become of the rest, a page at a time however many there are. In the place of an index of the open and the approved
 * only, which hid the refused, that wait for a person too.
 */
export const findingsListed: Migration = {
  version: 14,
  breaking: false,
  sql: (schema) => `
CREATE INDEX audit_findings_listed ON ${schema}.audit_findings (namespace, effect, status, kind, id);
DROP INDEX ${schema}.audit_findings_to_do;
`,
}
