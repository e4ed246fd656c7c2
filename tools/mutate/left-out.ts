/**
 * What is not edited, because no test is asked to notice: assertions, log calls, and text for people.
 *
 * A plain function named `assert…`, `bug` or `unreachable` asserts what the program believes of itself; a method of
 * such a name may refuse, and stays. A text of several words is for people: two that are handed to a function, three
 * elsewhere, unless they are compared or are a key.
 */

/** Of the library's syntax tree, as much as is asked for. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

export interface NodePath {
  readonly node: Node
  readonly parentPath: NodePath | null
  readonly key: string | number | null
  readonly listKey?: string | undefined
}

const errorName = /(?:Error|Refusal)$/
/** Errors whose first argument is a code, which programs read. */
const codedErrors = ['StillpointError', 'Refusal']
const logLevels = ['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal']
const textFields = ['brief', 'description', 'fullDescription', 'detail', 'message', 'summary', 'title']
const sql = /^\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|ATTACH|WITH)\b/i

/** The reason why nothing in the node is edited, or null. */
export function whyLeftOut(path: NodePath): string | null {
  if (isAssertion(path.node)) return 'assertion'
  if (isLogCall(path.node)) return 'log call'
  if (isText(path)) return 'text for people'
  return null
}

const field = (node: Node, name: string): Node | null => (node[name] as Node | null | undefined) ?? null
const list = (node: Node, name: string): readonly Node[] => (node[name] as readonly Node[] | undefined) ?? []
const nameOf = (node: Node | null): string =>
  node?.type === 'Identifier' || node?.type === 'PrivateName' ? (node['name'] as string) : ''

/** True for a statement too that does nothing but assert. */
function isAssertion(node: Node): boolean {
  switch (node.type) {
    case 'CallExpression':
      return /^(?:assert(?:[A-Z].*)?|bug|unreachable)$/.test(nameOf(field(node, 'callee')))
    case 'NewExpression':
      return nameOf(field(node, 'callee')) === 'AssertionError'
    case 'ExpressionStatement':
      return isAssertion(field(node, 'expression')!)
    case 'ThrowStatement':
      return isAssertion(field(node, 'argument')!)
    case 'ReturnStatement':
      return field(node, 'argument') !== null && isAssertion(field(node, 'argument')!)
    case 'BlockStatement':
      return list(node, 'body').length > 0 && list(node, 'body').every(isAssertion)
    case 'IfStatement':
      return field(node, 'alternate') === null && isAssertion(field(node, 'consequent')!)
    case 'SwitchCase':
      return list(node, 'consequent').length > 0 && list(node, 'consequent').every(isAssertion)
    default:
      return false
  }
}

function isLogCall(node: Node): boolean {
  if (node.type === 'ExpressionStatement') return isLogCall(field(node, 'expression')!)
  const callee = node.type === 'CallExpression' ? field(node, 'callee') : null
  return (
    callee?.type === 'MemberExpression' &&
    nameOf(field(callee, 'object')) === 'log' &&
    logLevels.includes(nameOf(field(callee, 'property')))
  )
}

function isText(path: NodePath): boolean {
  return isMessage(path) || isCause(path) || isTextField(path) || isNameOfError(path) || isSentence(path)
}

/** What an error says, or a part of it: a text that is put together is left out as a whole. */
function isMessage({ node, parentPath, listKey, key }: NodePath): boolean {
  if (parentPath?.node.type !== 'NewExpression' || listKey !== 'arguments') return false
  const name = nameOf(field(parentPath.node, 'callee'))
  if (!errorName.test(name)) return false
  return key === (codedErrors.includes(name) ? 1 : 0) && node.type !== 'Identifier'
}

/** `{ cause }` goes with an error, for who reads its stack. */
function isCause({ node }: NodePath): boolean {
  const properties = node.type === 'ObjectExpression' ? list(node, 'properties') : []
  return properties.length === 1 && nameOf(field(properties[0]!, 'key')) === 'cause'
}

function isTextField({ node, parentPath, key }: NodePath): boolean {
  return (
    (node.type === 'StringLiteral' || node.type === 'TemplateLiteral') &&
    parentPath?.node.type === 'ObjectProperty' &&
    key === 'value' &&
    textFields.includes(nameOf(field(parentPath.node, 'key')))
  )
}

function isNameOfError({ parentPath, key }: NodePath): boolean {
  if (parentPath?.node.type !== 'ClassProperty' || key !== 'value') return false
  const parent = parentPath.parentPath?.parentPath?.node
  return (
    nameOf(field(parentPath.node, 'key')) === 'name' &&
    parent?.type === 'ClassDeclaration' &&
    errorName.test(nameOf(field(parent, 'superClass')))
  )
}

function isSentence({ node, parentPath, listKey, key }: NodePath): boolean {
  const parent = parentPath?.node.type
  if (parent === 'BinaryExpression' || parent === 'SwitchCase') return false
  if (parent === 'MemberExpression' && key === 'property') return false
  const text = literalText(node)
  const wordsMin = listKey === 'arguments' ? 2 : 3
  return text !== null && text.trim().split(/ +/).length >= wordsMin && !sql.test(text)
}

/** With a word for what is put into it. */
function literalText(node: Node): string | null {
  if (node.type === 'StringLiteral') return node['value'] as string
  if (node.type !== 'TemplateLiteral') return null
  return list(node, 'quasis')
    .map((quasi) => (quasi['value'] as { raw: string }).raw)
    .join('_')
}
