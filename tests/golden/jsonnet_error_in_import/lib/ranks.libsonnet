{
  ranks(n):: if n < 1 then error "at least one rank" else n,
}
