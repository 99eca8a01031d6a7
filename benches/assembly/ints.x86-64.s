# 57 instructions are executed by one call (ints; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_ints>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x2,%al
	jbe    <kymo_call_ints+0x23>
	mov    %rdx,%rcx
	mov    %rsi,%rdx
	mov    %rdi,%rsi
	lea    ...(%rip),%rdi
	jmp    <kymo::export::shared3>
	ret

<kymo::export::shared3>:
	push   %rbx
	mov    %rdx,%r8
	mov    $0xffffffffffffff78,%r9
	mov    %fs:(%r9),%r10
	test   %r10,%r10
	je     <kymo::export::shared3+0xc9>
	movq   $0x0,%fs:(%r9)
	mov    0x40(%r10),%rax
	movzbl 0x463(%rax),%eax
	cmp    $0x1,%al
	je     <kymo::export::shared3+0x45>
	movzbl %al,%eax
	test   %eax,%eax
	jne    <kymo::export::shared3+0xc5>
	rdtsc
	shl    $0x20,%rdx
	or     %rax,%rdx
	jmp    <kymo::export::shared3+0x4f>
	mov    ...(%rip),%rax
	mov    (%rax),%rdx
	mov    0x30(%r10),%r11
	mov    0x38(%r10),%rax
	lea    0x28(%r11),%rbx
	cmp    %rax,%rbx
	ja     <kymo::export::shared3+0xc5>
	shl    $0x10,%rdi
	or     $0x28,%rdi
	mov    %rdi,(%r11)
	mov    %rdx,0x8(%r11)
	mov    %rsi,0x10(%r11)
	mov    %r8,0x18(%r11)
	mov    %rcx,0x20(%r11)
	mov    %rbx,0x30(%r10)
	mov    %rax,0x38(%r10)
	mov    (%r10),%rax
	mov    0x10(%r10),%rcx
	mov    0x108(%rax),%rdx
	lea    -0x5(,%rdx,2),%rsi
	add    %rdx,%rdx
	mov    $0x5,%edi
	mov    $0x5,%r8d
	sub    %rdx,%r8
	cmp    %rsi,%rcx
	cmovb  %rdi,%r8
	add    %rcx,%r8
	mov    %r8,0x80(%rax)
	mov    %r8,0x10(%r10)
	mov    %r10,%fs:(%r9)
	pop    %rbx
	ret
	mov    %r10,%fs:(%r9)
	mov    %r8,%rdx
	pop    %rbx
	jmp    <kymo::export::outlined3>
