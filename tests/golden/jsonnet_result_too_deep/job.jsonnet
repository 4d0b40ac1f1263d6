local deep(n) = if n == 0 then [] else [deep(n - 1)];
{
  fabric: 1,
  program: deep(300),
}
