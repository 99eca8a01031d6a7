# 51 instructions are executed by one call (static; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_static>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x2,%al
	jbe    <kymo_call_static+0x1b>
	lea    ...(%rip),%rdi
	jmp    *0x94d7d(%rip)        # <_DYNAMIC+0x368>
	ret

<kymo::export::shared0>:
	push   %rbx
	mov    %rdi,%rbx
	mov    %fs:0x0,%rax
	lea    -0x70(%rax),%rax
	mov    (%rax),%rsi
	test   %rsi,%rsi
	je     <kymo::export::shared0+0xbb>
	mov    %rax,%rcx
	movq   $0x0,(%rax)
	mov    0x28(%rsi),%rax
	movzbl 0x158(%rax),%eax
	cmp    $0x1,%al
	je     <kymo::export::shared0+0x4b>
	movzbl %al,%eax
	test   %eax,%eax
	jne    <kymo::export::shared0+0xb8>
	rdtsc
	shl    $0x20,%rdx
	or     %rax,%rdx
	jmp    <kymo::export::shared0+0x55>
	mov    ...(%rip),%rax
	mov    (%rax),%rdx
	mov    0x18(%rsi),%rax
	lea    0x10(%rax),%rdi
	cmp    0x20(%rsi),%rdi
	ja     <kymo::export::shared0+0xb8>
	shl    $0x10,%rbx
	or     $0x10,%rbx
	mov    %rbx,(%rax)
	mov    %rdx,0x8(%rax)
	mov    %rdi,0x18(%rsi)
	mov    (%rsi),%rax
	mov    0x10(%rsi),%rdx
	mov    0x108(%rax),%rdi
	lea    -0x2(,%rdi,2),%r8
	add    %rdi,%rdi
	mov    $0x2,%r9d
	mov    $0x2,%r10d
	sub    %rdi,%r10
	cmp    %r8,%rdx
	cmovb  %r9,%r10
	add    %rdx,%r10
	mov    %r10,0x80(%rax)
	mov    %r10,0x10(%rsi)
	mov    %rsi,(%rcx)
	pop    %rbx
	ret
	mov    %rsi,(%rcx)
	mov    %rbx,%rdi
	pop    %rbx
	jmp    <kymo::export::outlined0>
