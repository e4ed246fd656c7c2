/** The smallest pieces of /docs. Everything that is shown goes through `escape`. */

export const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

export const code = (text: string): string => `<code>${escape(text)}</code>`

/** Text of a description, where backticks stand around code. */
export const prose = (text: string | undefined): string =>
  escape(text ?? '').replace(/`([^`]*)`/g, '<code>$1</code>')

/** A table without rows is nothing. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const line = (tag: 'td' | 'th', cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`
  return `<table>${line('th', head)}${rows.map((row) => line('td', row)).join('')}</table>`
}

/** Text as a client sends or gets it: JSON over several lines, everything else as it is. */
export const listing = (value: unknown): string =>
  `<pre>${escape(typeof value === 'string' ? value : JSON.stringify(value, null, 2))}</pre>`
