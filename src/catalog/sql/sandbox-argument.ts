/** Argument that makes the compiled program a sandbox. */
export const sandboxArgument = 'sql-sandbox'
